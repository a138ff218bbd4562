"""One request on its way: to a process, again to another where that is safe, or waiting until there is one."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from shared.router.deployment import Deployment
from shared.router.messages import AnswerHead, Request, own_answer
from shared.router.process import Process
from shared.router.upstream import UpstreamConnection

MAX_ATTEMPTS = 3  # of a request that a process may have seen
_NEVER_S = float("inf")


class Reply(Protocol):
    """The caller's connection."""

    http_1_0: bool

    def write(self, data: bytes) -> None:
        """Send a part of the answer."""
        ...

    def finished(self, *, close: bool) -> None:
        """The answer is whole."""
        ...

    def abort(self) -> None:
        """The answer can't be ended as it began: close, so that the caller does not take it for whole."""
        ...


class Traffic(Protocol):
    """The router, as far as a request needs it."""

    @property
    def draining(self) -> bool:
        """Whether every answer closes its connection."""
        ...

    @property
    def hold_timeout_s(self) -> float:
        """That a request waits for a process."""
        ...

    @property
    def max_held(self) -> int:
        """Requests of a deployment that wait."""
        ...

    def another(self, instead_of: Deployment) -> Deployment | None:
        """Another deployment that has traffic and takes requests."""
        ...

    def ended(self, forward: Forward) -> None:
        """Nothing more comes of it."""
        ...


class Forward:
    """The sink of the upstream's answer. `expires_s` is the loop's time when `expire` is due."""

    def __init__(self, traffic: Traffic, request: Request, reply: Reply, deployment: Deployment) -> None:
        self._traffic = traffic
        self._reply = reply
        self.request = request
        self.deployment = deployment
        self._process: Process | None = None
        self._connection: UpstreamConnection | None = None
        self._parts: list[bytes] = []
        self._attempts = 0
        self._status = 0
        self._began_s = 0.0
        self._hold_until_s = 0.0
        self._chunked = False
        self._close = not request.keep_alive
        self.sent_head = self.ended = False
        self.expires_s = _NEVER_S

    # --- sending ---
    def go_on(self) -> None:
        """Send it, or have it wait."""
        deployment = self.deployment
        process = deployment.process()
        if process is None and not self.request.deployment and deployment.down:
            other = self._traffic.another(deployment)
            if other is not None:
                self.deployment, deployment = other, other
                process = other.process()
        if process is None:
            self._wait()
            return
        self._attempts += 1
        self._process = process
        process.in_flight += 1
        deployment.figures.in_flight += 1
        self._began_s = time.perf_counter()
        timeout_s = deployment.config.request_timeout_ms / 1000
        self.expires_s = asyncio.get_running_loop().time() + timeout_s
        process.send(self.request, self, self._taken)

    def reroute(self) -> None:
        """The deployment it waits for is gone: another gets it, or the caller hears that there is none."""
        other = None if self.request.deployment else self._traffic.another(self.deployment)
        if other is None:
            self._refuse(404, f"the deployment {self.deployment.name} was removed")
            return
        self.deployment = other
        self.go_on()

    def _taken(self, connection: UpstreamConnection) -> bool:
        if not self.ended:
            self._connection = connection
        return not self.ended

    def _wait(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self._hold_until_s = self._hold_until_s or now_s + self._traffic.hold_timeout_s
        self.expires_s = self._hold_until_s
        if now_s > self._hold_until_s or not self.deployment.hold(self, self._traffic.max_held):
            self._refuse(
                503, f"no process of {self.deployment.name} takes requests, and too many requests wait for one"
            )

    def _left(self) -> None:
        """The process has no more to do with it."""
        if self._process is not None:
            self._process.in_flight -= 1
            self.deployment.figures.in_flight -= 1
        self._process = self._connection = None

    # --- the answer ---
    def head(self, head: AnswerHead, *, empty: bool) -> None:
        self._status = head.status
        parts = head.lines
        parts.append(self.deployment.header_line)
        if not head.has_id:
            parts += (b"x-request-id: ", self.request.id, b"\r\n")
        http_1_0 = self._reply.http_1_0
        if not (empty or head.sized):
            if http_1_0:
                self._close = True  # its end is the connection's
            else:
                self._chunked = True
                parts.append(b"transfer-encoding: chunked\r\n")
        self._close = self._close or self._traffic.draining
        if self._close:
            parts.append(b"connection: close\r\n")
        elif http_1_0:
            parts.append(b"connection: keep-alive\r\n")
        parts.append(b"\r\n")
        self._parts = parts

    def chunk(self, data: bytes) -> None:
        if self._chunked:
            self._parts += (f"{len(data):x}\r\n".encode(), data, b"\r\n")
        else:
            self._parts.append(data)

    def flush(self) -> None:
        if self._parts:
            self.sent_head = True
            parts, self._parts = self._parts, []
            self._reply.write(b"".join(parts))

    def done(self) -> None:
        if self.ended:
            return
        if self._chunked:
            self._parts.append(b"0\r\n\r\n")
        if self._process is not None:
            self._process.answered()
        self._count(self._status)
        self._end()
        self.flush()
        self._reply.finished(close=self._close)

    def lost(self, reason: str, *, reached: bool) -> None:
        if self.ended:
            return
        deployment, process = self.deployment, self._process
        self._left()
        if process is not None:
            process.failed()
        if self.sent_head:
            self._count(502, failed=True)
            self._end()
            self._reply.abort()
            return
        self._parts, self._chunked = [], False
        if reached and not (self.request.idempotent and self._attempts < MAX_ATTEMPTS):
            self._count(502, failed=True)
            self._refuse(502, f"a process of {deployment.name} was lost while it had the request: {reason}")
            return
        deployment.figures.retries += 1
        self.go_on()

    # --- its end ---
    def expire(self) -> None:
        """Its time is over: 408 where a process had it, 503 where it waited for one."""
        if self._process is None:
            self.deployment.release(self)
            text = f"no process of {self.deployment.name} took the request in {self._traffic.hold_timeout_s:g} s"
            self._refuse(503, text)
            return
        self._count(408, failed=True)
        if self._connection is not None:
            self._connection.abandon()
        if self.sent_head:
            self._end()
            self._reply.abort()
        else:
            self._refuse(408, f"{self.deployment.name} took longer than {self.deployment.config.request_timeout_ms} ms")

    def cancel(self) -> None:
        """The caller is gone."""
        if self.ended:
            return
        if self._connection is not None:
            self._connection.abandon()
        elif self._process is None:
            self.deployment.release(self)
        self._end()

    def set_reading(self, on: bool) -> None:
        """Whether the caller takes more of the answer."""
        if self._connection is not None:
            self._connection.set_reading(on)

    def _count(self, status: int, *, failed: bool = False) -> None:
        self.deployment.figures.live.count(status, time.perf_counter() - self._began_s, failed=failed)

    def _refuse(self, status: int, detail: str) -> None:
        close = self._close or self._traffic.draining
        answer = own_answer(status, detail, self.request.id, close=close, is_head=self.request.is_head)
        self._end()
        self._reply.write(answer)
        self._reply.finished(close=close)

    def _end(self) -> None:
        self._left()
        self.ended = True
        self._traffic.ended(self)
