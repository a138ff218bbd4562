"""A process of a deployment: its idle connections, whether it is up (found out by using it), and its draining."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from shared.router.config import split_address
from shared.router.messages import Request
from shared.router.upstream import Sink, UpstreamConnection

CONNECT_TIMEOUT_S = 2.0
IDLE_S = 30.0  # then a connection is closed, before the scoring server would do it (75 s)
# Gets the connection a request goes over; False when the request has ended meanwhile and is not to be sent.
Taken = Callable[[UpstreamConnection], bool]
_BACK_OFF_S = (0.05, 0.1, 0.2, 0.5, 1.0)


class Process:
    """One address. `news` is called when something that waits for it may go on."""

    def __init__(self, address: str, news: Callable[[], None]) -> None:
        self.address = address
        self._host, self._port = split_address(address)
        self._news = news
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._down_until_s = 0.0  # the loop's time
        self.in_flight = 0
        self.draining = False

    # --- health ---
    @property
    def up(self) -> bool:
        """Whether requests are given to it. After a failure it is left alone for a while, then tried again."""
        return not self._down_until_s or asyncio.get_running_loop().time() >= self._down_until_s

    def failed(self) -> None:
        """It did not answer, or took no connection. Several failures at once count as one."""
        if self._down_until_s and not self.up:
            return
        back_off_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
        self._failures += 1
        loop = asyncio.get_running_loop()
        self._down_until_s = loop.time() + back_off_s
        loop.call_later(back_off_s + 0.002, self._news)

    def answered(self) -> None:
        """It did."""
        if self._failures:
            self._failures, self._down_until_s = 0, 0.0

    # --- requests ---
    def send(self, request: Request, sink: Sink, taken: Taken) -> None:
        """Send it over an idle connection, or a new one. `taken` gets the connection before any answer comes."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.usable or (not request.idempotent and connection.is_stale()):
                connection.abandon()
                continue
            if taken(connection):
                connection.send(request, sink)
            return
        task = asyncio.get_running_loop().create_task(self._connect(request, sink, taken))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, request: Request, sink: Sink, taken: Taken) -> None:
        try:
            connection = await asyncio.wait_for(self._connection(), CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError) as error:
            sink.lost(f"{self.address} takes no connection: {error or 'it took too long'}", reached=False)
            return
        if taken(connection):
            connection.send(request, sink)
        else:
            self._freed(connection)

    async def _connection(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, (self._host, self._port))
            _, connection = await loop.create_connection(
                lambda: UpstreamConnection(sock, self._freed, self._open.discard), sock=sock
            )
        except BaseException:
            sock.close()
            raise
        self._open.add(connection)
        return connection

    def _freed(self, connection: UpstreamConnection) -> None:
        if self.draining:
            connection.abandon()
            return
        connection.idle_since_s = asyncio.get_running_loop().time()
        self._idle.append(connection)

    # --- time ---
    def sweep(self, now_s: float) -> None:
        """Close connections that were idle for too long; the newest are used first, so the oldest are in front."""
        while self._idle and now_s - self._idle[0].idle_since_s > IDLE_S:
            self._idle.pop(0).abandon()

    def drain(self) -> None:
        """Take nothing more; what is under way goes on."""
        self.draining = True
        while self._idle:
            self._idle.pop().abandon()

    def close(self) -> None:
        """End everything at once."""
        for task in self._connecting:
            task.cancel()
        for connection in tuple(self._open):
            connection.abandon()
