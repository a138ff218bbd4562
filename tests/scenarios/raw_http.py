"""HTTP as no honest client speaks it: the bytes are sent as they are given, while the answer is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back; status 0 when the server closed the connection without an answer."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    sent_bytes: int  # of the request's body, when the answer was there

    def json(self) -> Any:
        """The body's document."""
        return json.loads(self.body)


class _Connection(asyncio.Protocol):
    """Keeps what was received even when the connection is reset after it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.sent_bytes = 0
        self.news = asyncio.Event()
        self.closed = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        self.news.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        self.news.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, head: bytes, body: bytes | AsyncIterator[bytes]) -> None:
        """Send until all is sent, or the server has closed."""
        assert self.transport is not None
        if isinstance(body, bytes):
            self.transport.write(head + body)
            self.sent_bytes = len(body)
            return
        self.transport.write(head)
        async for chunk in body:
            await self._writable.wait()
            if self.closed:
                return
            self.transport.write(chunk)
            self.sent_bytes += len(chunk)
            await asyncio.sleep(0)

    async def answer(self) -> RawAnswer:
        """The answer, as soon as all of it is there or the server has closed."""
        while not (self.closed or (found := _parsed(bytes(self.received), self.sent_bytes)).status):
            self.news.clear()
            await self.news.wait()
        return _parsed(bytes(self.received), self.sent_bytes) if self.closed else found


def _parsed(received: bytes, sent_bytes: int) -> RawAnswer:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return RawAnswer(0, {}, b"", sent_bytes)
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    whole = len(body) >= int(headers.get("content-length", "0"))
    return RawAnswer(int(status_line.split(" ")[1]) if whole else 0, headers, body, sent_bytes)


async def exchange(
    url: str, method: str, target: str, headers: Mapping[str, str], body: bytes | AsyncIterator[bytes] = b""
) -> RawAnswer:
    """Send one request. `target` and the headers are sent as they are (Host and Connection: close are added, no
    Content-Length is)."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, parts.hostname, parts.port)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
    sending = asyncio.create_task(connection.send(head, body))
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await connection.answer()
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        assert connection.transport is not None
        connection.transport.abort()


async def repeated(chunk: bytes, count: int, *, chunked: bool = False) -> AsyncIterator[bytes]:
    """`chunk` that many times, with the framing of Transfer-Encoding: chunked if asked (and no last chunk)."""
    piece = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" if chunked else chunk
    for _ in range(count):
        yield piece
