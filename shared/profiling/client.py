"""Keep-alive connections of HTTP/1.1 for a load generator: one request at a time on each, and a callback when it ends.

Hand-written: a general client costs more CPU for a request than the server that is measured.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable

NO_ANSWER = 0  # the status of a request whose connection broke
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)

Done = Callable[[int], None]  # gets the status


def request_bytes(host: str, path: str, content_type: str, body: bytes) -> bytes:
    """A whole POST request with this body."""
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection(asyncio.Protocol):
    """One connection. `idle` is called when its request has ended, `lost` when it is closed."""

    def __init__(self, idle: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        self._idle = idle
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._done: Done | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes, done: Done) -> None:
        """Send the request; `done` gets the status, or NO_ANSWER."""
        self._done = done
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._received[:end]
        length = _LENGTH.search(head)
        if length is None:  # an answer without a length can't be told from the next one
            self.close()
            return
        if len(self._received) - end - 4 < int(length[1]):
            return
        self._received = b""
        done, self._done = self._done, None
        if _CLOSE.search(head):
            self.close()
        else:
            self._idle(self)  # before `done`, which may send the next request
        if done is not None:
            done(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._lost(self)
        done, self._done = self._done, None
        if done is not None:
            done(NO_ANSWER)

    def close(self) -> None:
        """Close it now; a request that is under way gets NO_ANSWER."""
        if self._transport is not None:
            self._transport.abort()


class Pool:
    """As many connections as are needed at once, up to `most`; requests beyond that wait in their order."""

    def __init__(self, host: str, port: int, most: int) -> None:
        self._host = host
        self._port = port
        self._most = most
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[tuple[bytes, Done]] = deque()
        self._closed = False

    async def open(self, count: int) -> None:
        """Open this many, so that the first requests need not. Raises OSError when nobody listens."""
        for _ in range(count):
            self._idle.append(await self._connect())

    def send(self, request: bytes, done: Done) -> None:
        """Send now on an idle connection, else on a new one, else when one becomes idle."""
        if self._idle:
            self._idle.pop().send(request, done)
            return
        self._waiting.append((request, done))
        if len(self._all) + len(self._opening) < self._most:
            task = asyncio.get_running_loop().create_task(self._open_one())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def close(self) -> None:
        """Close all; what is under way or waiting gets NO_ANSWER."""
        self._closed = True
        for task in self._opening:
            task.cancel()
        for connection in list(self._all):
            connection.close()
        while self._waiting:
            self._waiting.popleft()[1](NO_ANSWER)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: Connection(self._free, self._drop), self._host, self._port)
        self._all.add(made)
        return made

    async def _open_one(self) -> None:
        try:
            self._free(await self._connect())
        except OSError:  # the server is gone or refuses: that is this request's result
            if self._waiting:
                self._waiting.popleft()[1](NO_ANSWER)

    def _free(self, connection: Connection) -> None:
        if self._waiting and not self._closed:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _drop(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting and not self._closed:  # its place is for a new one
            request, done = self._waiting.popleft()
            self.send(request, done)
