"""All open connections: how many, what they hold in memory, and which of them have been silent for too long."""

from __future__ import annotations

import asyncio
from typing import Protocol

from shared.scoring.http.limits import Limits

SWEEP_S = 0.25


class Connection(Protocol):
    """What the sweep needs of one connection."""

    @property
    def busy(self) -> bool:
        """Whether a request is arriving, waits for its answer, or its answer is still being sent."""
        ...

    def check(self, now_s: float) -> None:
        """End it when it has been silent for longer than the limits allow."""
        ...

    def end_when_idle(self) -> None:
        """Close it unless it is busy."""
        ...


class Connections:
    """Shared by all connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open: set[Connection] = set()
        self.draining = False  # every answer closes its connection
        self.buffered_bytes = 0  # of request bodies
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after time limits, in the running loop."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def stop(self) -> None:
        """End looking after them; further calls change nothing."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = loop.time()
            for connection in tuple(self.open):
                connection.check(now_s)

    async def drain(self, idle_grace_s: float, timeout_s: float) -> int:
        """Let every connection finish; how many were still busy when timeout_s was over.

        Idle ones stay open for idle_grace_s: a request may be on its way, and closing would lose it.
        """
        self.draining = True
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while self.open and loop.time() < began_s + timeout_s:
            if loop.time() >= began_s + idle_grace_s:
                for connection in tuple(self.open):
                    connection.end_when_idle()
            await asyncio.sleep(0.02)
        return sum(connection.busy for connection in self.open)
