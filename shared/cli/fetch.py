"""Fetches files from signed URLs: several files and several spans of a large one at once, each verified at its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.cli.api import Api, raise_for_status
from shared.cli.errors import CliError
from shared.cli.partial_download import PartialDownload, Span
from shared.cli.progress import Advance
from shared.cli.transfer import where_answered

if TYPE_CHECKING:
    import httpx

PARALLEL = 4
BATCH_BYTES = 1024 * 1024  # written at once
TRIES = 2  # of a file that arrives with other bytes than it should have


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to fetch."""

    name: str  # for messages
    path: str  # below /api/; redirects to a signed URL
    partial: PartialDownload


def fetch_files(api: Api, files: Sequence[Wanted], advance: Advance, *, parallel: int = PARALLEL) -> None:
    """Every file is at its target, its SHA-256 proved. Raises the first CliError; what arrived by then is kept, so that
    the same call goes on where this one stopped. A few MB of memory for each thread, however large the files."""
    stop = threading.Event()
    # Hashed by one thread of its own, behind those that receive: hashlib leaves the interpreter to them meanwhile.
    with ThreadPoolExecutor(parallel) as pool, ThreadPoolExecutor(1) as hasher:
        fetcher = _Fetcher(api, advance, hasher, stop)
        try:
            tasks = []
            for file in files:
                spans = file.partial.begin()
                advance(file.partial.known_bytes)
                hasher.submit(file.partial.hash_on)
                tasks += [pool.submit(fetcher.span, file, span) for span in spans]
                if not spans:
                    tasks.append(pool.submit(fetcher.finish, file))
            done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
            for task in done:
                task.result()
        except BaseException as error:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            hasher.shutdown(wait=True)
            for file in files:
                if not file.partial.known_bytes or (isinstance(error, _Damaged) and error.file is file):
                    file.partial.discard()
            raise


class _Damaged(CliError):
    """Other bytes arrived than the registry says."""

    def __init__(self, file: Wanted, found: str, wanted: str) -> None:
        message = f"{file.name} arrived damaged and was not kept: {found}, not {wanted}"
        super().__init__(message, remedy="try again; if it stays so, the stored file is damaged")
        self.file = file


class _Stopped(Exception):
    """Another file failed."""


class _Fetcher:
    def __init__(self, api: Api, advance: Advance, hasher: ThreadPoolExecutor, stop: threading.Event) -> None:
        self._api = api
        self._advance = advance
        self._hasher = hasher
        self._stop = stop

    def span(self, file: Wanted, span: Span) -> None:
        """Fetch one span; whoever fetches a file's last one proves it and puts it in its place."""
        try:
            self._fetch(file, span)
        except _Stopped:
            return
        if file.partial.finished():
            self.finish(file)

    def finish(self, file: Wanted) -> None:
        """Prove the SHA-256; wrong bytes are thrown away and fetched again, once. Raises CliError."""
        partial = file.partial
        for attempt in range(TRIES):
            self._hasher.submit(partial.hash_on).result()
            if partial.proved():
                partial.keep()
                return
            found = partial.digest()
            self._advance(-partial.known_bytes)
            partial.discard()
            if attempt + 1 < TRIES:
                for span in partial.begin():
                    self._fetch(file, span)
        raise _Damaged(file, f"its SHA-256 is {found}", partial.sha256)

    def _fetch(self, file: Wanted, span: Span) -> None:
        """Blocks that arrived are not fetched again when the connection breaks."""

        def step() -> None:
            for missing in file.partial.missing(span):
                self._receive(file, missing)

        self._api.retrying(step)
        if file.partial.missing(span):
            raise CliError(f"{file.name} ended too early", remedy="try again")

    def _receive(self, file: Wanted, span: Span) -> None:
        """The signed URL is its own credential, so the function key is not sent. It is asked for anew each time: it
        expires."""
        location = self._api.call("GET", file.path).headers.get("location")
        if not location:
            raise CliError(f"the server did not say where to get {file.name}")
        url = self._api.absolute(location)
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={span.start}-{span.stop - 1}"}
        with self._api.client_for(url).stream("GET", url, headers=headers) as response:
            if response.status_code not in (200, 206):
                response.read()
                raise_for_status(response, where_answered("GET", response))
                raise CliError(f"{where_answered('GET', response)}, not with the file")
            _check_length(response, file)
            pieces = _pieces(response, span, file)
            for length in file.partial.write(span.start, pieces):
                self._advance(length)
                if self._stop.is_set():
                    raise _Stopped
        self._hasher.submit(file.partial.hash_on)


def _check_length(response: httpx.Response, file: Wanted) -> None:
    """Whether the server's file is as long as it should be: Content-Length, or the end of Content-Range."""
    name = "content-length" if response.status_code == 200 else "content-range"
    stated = response.headers.get(name, "").rpartition("/")[2]
    if stated.isdecimal() and int(stated) != file.partial.size_bytes:
        raise _Damaged(file, f"{stated} bytes", f"{file.partial.size_bytes}")


def _pieces(response: httpx.Response, span: Span, file: Wanted) -> Iterator[bytes]:
    """The bytes of the span, in pieces of about BATCH_BYTES; when the connection breaks, all that came before. A server
    without ranges answers 200 with the whole file (RFC 9110, section 14.2): what is before the span is left out."""
    if response.status_code == 206:
        stated = response.headers.get("content-range", "")
        if not stated.startswith(f"bytes {span.start}-"):
            raise CliError(f"{file.name}: the server sent the range {stated!r}, not what was asked for")
    skip = span.start if response.status_code == 200 else 0
    batch, held = list[bytes](), 0
    try:
        for chunk in _of_span(response.iter_raw(), skip, span.stop - span.start):
            batch.append(chunk)
            held += len(chunk)
            if held >= BATCH_BYTES:
                yield b"".join(batch)
                batch, held = [], 0
    except _transport_error() as error:
        yield b"".join(batch)
        raise error
    yield b"".join(batch)


def _of_span(chunks: Iterator[bytes], skip: int, left: int) -> Iterator[bytes]:
    for chunk in chunks:
        whole = not skip and len(chunk) <= left
        piece, skip = chunk if whole else chunk[skip : skip + left], max(0, skip - len(chunk))
        left -= len(piece)
        yield piece
        if not left:
            return


def _transport_error() -> type[Exception]:
    from shared.cli.lean_httpx import httpx

    return httpx.TransportError
