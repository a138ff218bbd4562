"""Copies of requests: sent, counted, and their answers thrown away. The caller's request knows nothing of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from shared.router.deployment import Deployment
from shared.router.messages import AnswerHead, Request
from shared.router.process import Process
from shared.router.upstream import UpstreamConnection


class Copy:
    """The sink of an answer that nobody gets. `expires_s` is the loop's time when `expire` is due."""

    def __init__(self, request: Request, deployment: Deployment, ended: Callable[[Copy], None]) -> None:
        self._request = request
        self._deployment = deployment
        self._ended_with = ended
        self._process: Process | None = None
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._ended = False
        self._began_s = time.perf_counter()
        self.expires_s = asyncio.get_running_loop().time() + deployment.config.request_timeout_ms / 1000

    def send(self) -> None:
        """Send it once; without a process that takes it, it is dropped."""
        process = self._deployment.process()
        if process is None:
            self._deployment.figures.dropped_mirrors += 1
            self._end()
            return
        self._process = process
        process.in_flight += 1
        process.send(self._request, self, self._taken)

    def _taken(self, connection: UpstreamConnection) -> bool:
        if not self._ended:
            self._connection = connection
        return not self._ended

    def head(self, head: AnswerHead, *, empty: bool) -> None:
        self._status = head.status

    def chunk(self, data: bytes) -> None:
        pass  # nobody gets it

    def flush(self) -> None:
        pass  # nobody gets it

    def done(self) -> None:
        if self._process is not None:
            self._process.answered()
        self._finish(self._status)

    def lost(self, reason: str, *, reached: bool) -> None:
        if self._process is not None and not self._ended:
            self._process.failed()
        self._finish(502, failed=True)

    def expire(self) -> None:
        """It took too long."""
        if self._connection is not None:
            self._connection.abandon()
        self._finish(408, failed=True)

    def _finish(self, status: int, *, failed: bool = False) -> None:
        if not self._ended:
            self._deployment.figures.mirror.count(status, time.perf_counter() - self._began_s, failed=failed)
            self._end()

    def _end(self) -> None:
        self._ended = True
        if self._process is not None:
            self._process.in_flight -= 1
        self._ended_with(self)
