"""The folder that the steps of a job share: what was fetched for a work that runs others' code, and what came of it.

Whoever fetches and stores acts as the identity; what runs in between does not, and may have written anything here. So
nothing of it is opened but plain files, by names that are known before, and what they hold is only stored.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from shared.adapters.jobs.works import MAX_OUTCOME_BYTES
from shared.errors import NotFound, Permanent
from shared.monitors.assets import data_sets
from shared.ports import Artifact, ReadFile
from shared.resources.data_profile import DataTable
from shared.resources.job_work import WORK, AnyWork, MonitorRunWork, OptimizationWork, ProfileWork, WindowSketchWork

CHUNK_BYTES = 2**20


class Handover:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.collected = folder / "collected"
        self._work = folder / "work.json"
        self._fetched = folder / "fetched"
        self._kept = folder / "kept"
        self._outcome = folder / "outcome.json"

    async def fetch(self, work: AnyWork, read: ReadFile) -> int:
        """Put the work and its files here; how many files there are."""
        self._fetched.mkdir(parents=True, exist_ok=True)
        names = dict.fromkeys(files_of(work))
        for sha256 in names:
            await _write(self._fetched / sha256, read(sha256))
        self._work.write_text(work.model_dump_json())
        return len(names)

    def work(self) -> AnyWork:
        """What is to be done."""
        return WORK.validate_json(self._work.read_bytes())

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """A file that was fetched. Raises NotFound for another."""
        try:
            file = (self._fetched / sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"{sha256} was not fetched for this work") from error
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def keep(self, chunks: AsyncIterator[bytes]) -> Artifact:
        """Have a file stored afterwards, if the outcome names it."""
        self._kept.mkdir(parents=True, exist_ok=True)
        part = self._kept / f".{secrets.token_hex(8)}"
        sha256, size_bytes = await _write(part, chunks)
        part.rename(self._kept / sha256)
        return Artifact(sha256, size_bytes)

    def end(self, outcome: str) -> None:
        """Note what came of it, as JSON."""
        self._outcome.write_text(outcome)

    def outcome(self) -> bytes:
        """What was noted. Raises Permanent for nothing, and for what is no file of an outcome."""
        fd = _opened(self._outcome)
        with os.fdopen(fd, "rb") as file:
            found = file.read(MAX_OUTCOME_BYTES + 1)
        if len(found) > MAX_OUTCOME_BYTES:
            raise Permanent(f"what came of the work has more than {MAX_OUTCOME_BYTES} bytes")
        return found

    async def kept(self, sha256: str) -> AsyncIterator[bytes]:
        """A file that is to be stored. Raises Permanent for what is none."""
        if self._kept.is_symlink() or Path(sha256).name != sha256:
            raise Permanent(f"{sha256[:64]} was not kept for the outcome")
        with os.fdopen(_opened(self._kept / sha256), "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk


def files_of(work: AnyWork) -> Iterator[str]:
    """The SHA-256 of every file that the work reads."""
    if isinstance(work, MonitorRunWork):
        yield from _of_monitor_run(work)
    elif isinstance(work, ProfileWork | OptimizationWork):
        yield from (file.sha256 for file in work.spec.files)
        yield work.spec.sample.sha256
    elif isinstance(work, WindowSketchWork):
        yield from (baseline.sha256 for baseline in work.baselines)
    else:
        yield from _of_table(work.table)


def _of_monitor_run(work: MonitorRunWork) -> Iterator[str]:
    for signal in work.request.signals:
        for data in data_sets(signal):
            if (given := work.assets.get(data.label)) is None:
                continue
            as_rows = data is not signal.reference or signal.name in work.reading_rows
            if given.sketch is not None and not as_rows:
                yield given.sketch.sha256
            else:
                yield from _of_table(given.table)
    for component in work.components.values():
        yield from (file.sha256 for file in component.files)


def _of_table(table: DataTable) -> Iterator[str]:
    yield from (part.file.sha256 for part in table.parts)


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("wb") as out:
        async for chunk in chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
            await asyncio.to_thread(out.write, chunk)
    return digest.hexdigest(), size_bytes


def _opened(path: Path) -> int:
    """The file itself: a link could name the identity's token, and a pipe would never end."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Permanent(f"the work left no file {path.name[:64]}: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Permanent(f"the work left {path.name[:64]}, which is no plain file")
    return fd
