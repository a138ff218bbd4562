"""A caller's connection: requests in, answers out in the same order (RFC 9112), one of them on its way at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

from shared.router.forward import Forward
from shared.router.incoming import Buffered, Incoming, Refused
from shared.router.messages import Request, own_answer, plain_answer
from shared.router.metrics import CONTENT_TYPE
from shared.router.routing import Router

MAX_PIPELINED = 32  # requests that wait for their turn; then nothing more is read
MAX_CONNECTIONS = 4_000  # then 503
KEEP_ALIVE_S = 75.0  # that an idle connection stays open
ARRIVAL_S = 30.0  # that a request may stop arriving
UNREAD_S = 30.0  # that a caller may leave its answer unread
LINGER_S = 2.0  # that is read on after the last answer, so that the caller sees it instead of a reset
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Callers:
    """All of them."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.open: set[Caller] = set()
        self.buffered = Buffered()


class Caller(asyncio.Protocol):
    """Implements forward.Reply and incoming.Sink."""

    def __init__(self, callers: Callers) -> None:
        self._all = callers
        self._router = callers.router
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._incoming: Incoming | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._forward: Forward | None = None
        self._answering = False  # a request is on its way; `_forward` may come later, or not at all
        self._ending = False
        self._refused: Refused | None = None  # to be answered after those that came before
        self._reading = True
        self._unread = False
        self._last_s = 0.0  # the loop's time of the newest event; 0 until the sweep has seen it
        self.http_1_0 = False

    # --- asyncio ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else "unknown"
        # A gateway says so in what it sends on (RFC 9110, 7.6.3).
        added = f"x-forwarded-for: {self._peer}\r\nvia: 1.1 slipway\r\n".encode()
        self._incoming = Incoming(self, self._all.buffered, added)
        self._all.open.add(self)
        if len(self._all.open) > MAX_CONNECTIONS:
            self._refuse(Refused(503, f"there are {MAX_CONNECTIONS} connections already"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._all.open.discard(self)
        if self._incoming is not None:
            self._incoming.close()
        self._waiting.clear()
        if self._forward is not None:
            self._forward.cancel()
            self._forward = None

    def data_received(self, data: bytes) -> None:
        self._last_s = 0.0
        if self._ending or self._incoming is None:
            return
        try:
            self._incoming.feed(data)
        except Refused as refused:
            self._incoming.close()
            self._refuse(refused)

    def eof_received(self) -> bool:
        """An answer that is under way is still sent to a caller that has closed its side."""
        self._ending = True
        return self.busy

    def pause_writing(self) -> None:
        self._unread, self._last_s = True, 0.0
        if self._forward is not None:
            self._forward.set_reading(False)

    def resume_writing(self) -> None:
        self._unread, self._last_s = False, 0.0
        if self._forward is not None:
            self._forward.set_reading(True)
        elif self._waiting and not self._answering:
            self._next()

    # --- requests ---
    @property
    def max_body_bytes(self) -> int:
        return self._router.max_body_bytes

    @property
    def sticky_header(self) -> bytes:
        return self._router.sticky_header

    def continue_expected(self) -> None:
        if self._transport is not None and not self._answering:
            self._transport.write(_CONTINUE)

    def received(self, request: Request, *, http_1_0: bool) -> None:
        if self._answering or self._unread or self._waiting:
            self._waiting.append((request, http_1_0))
            self._set_reading(len(self._waiting) < MAX_PIPELINED)
            return
        self._begin(request, http_1_0)

    def _begin(self, request: Request, http_1_0: bool) -> None:
        self._answering = True
        self.http_1_0 = http_1_0
        if request.target == b"/metrics":
            close = not request.keep_alive
            self.write(plain_answer(200, self._router.metrics(), CONTENT_TYPE, close=close, is_head=request.is_head))
            self.finished(close=close)
            return
        forward = self._router.accept(request, self, self._peer)
        if forward is not None and not forward.ended:
            self._forward = forward

    def _set_reading(self, on: bool) -> None:
        if self._transport is not None and on is not self._reading:
            self._reading = on
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    # --- answers ---
    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def finished(self, *, close: bool) -> None:
        self._forward, self._answering, self._last_s = None, False, 0.0
        if self._transport is None:
            return
        if self._waiting and not close:
            # Not at once: of a thousand pipelined requests each would call the next.
            asyncio.get_running_loop().call_soon(self._next)
        elif self._refused is not None and not close:
            self._refuse(self._refused)
        elif close or self._ending or (self._router.draining and not self.busy):
            self._end()

    def _next(self) -> None:
        if self._waiting and not (self._answering or self._unread) and self._transport is not None:
            request, http_1_0 = self._waiting.popleft()
            self._set_reading(True)
            self._begin(request, http_1_0)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, refused: Refused) -> None:
        """Answer when what came before is answered; nothing else is taken."""
        self._ending = True
        if self._answering or self._waiting:
            self._refused = refused
            return
        self.write(own_answer(refused.status, refused.detail, b"", close=True))
        self._end()

    def _end(self) -> None:
        self._ending, self._last_s = True, 0.0
        self._waiting.clear()
        self._set_reading(True)
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    # --- time ---
    @property
    def busy(self) -> bool:
        """Whether a request is arriving, waits for its answer, or its answer is still being sent."""
        unsent = self._transport is not None and self._transport.get_write_buffer_size() > 0
        arriving = self._incoming is not None and self._incoming.partial and not self._ending
        return self._answering or bool(self._waiting) or arriving or unsent

    def end_when_idle(self) -> None:
        """Close it unless it is busy."""
        if not self.busy and not self._ending:
            self._end()

    def sweep(self, now_s: float) -> None:
        """End it when it was silent for too long."""
        self._last_s = self._last_s or now_s
        silent_s = now_s - self._last_s
        if self._unread:
            if silent_s > UNREAD_S:
                self.abort()
        elif self._answering:
            return
        elif self._ending:
            if silent_s > LINGER_S:
                self.abort()
        elif self._incoming is not None and self._incoming.partial:
            if silent_s > ARRIVAL_S:
                self._refuse(Refused(408, f"the request did not arrive: nothing came for {ARRIVAL_S:g} s"))
        elif silent_s > KEEP_ALIVE_S:
            self._end()
