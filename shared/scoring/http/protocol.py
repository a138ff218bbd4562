"""One connection: requests in, answers out in the same order (RFC 9112), within limits of time."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from typing import cast

import httptools

from shared.scoring.errors import BadRequest, NotReady, RequestError, RequestTimeout
from shared.scoring.http.connections import Connections
from shared.scoring.http.exchange import Exchange, Handler
from shared.scoring.http.incoming import Incoming
from shared.scoring.http.messages import Request, encode

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCARD_BYTES = 2**28  # read and thrown away after a refusal


class Phase(enum.Enum):
    """What a connection waits for."""

    IDLE = enum.auto()
    HEADERS = enum.auto()
    BODY = enum.auto()
    ENDING = enum.auto()  # the last answer is sent; what still comes is thrown away


class HttpProtocol(asyncio.Protocol):
    """Feeds the parser, hands complete requests to the handler, sends the answers."""

    def __init__(self, handler: Handler, connections: Connections) -> None:
        self._handler = handler
        self._all = connections
        self._limits = connections.limits
        self._incoming = Incoming(self, connections)
        self._feed = self._incoming.parser.feed_data
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._exchanges: deque[Exchange] = deque()
        self._phase = Phase.IDLE
        self._phase_since_s = 0.0  # 0 until the sweep has seen the phase: no clock is asked for each request
        self._reading_paused = False
        self._unread_since_s: float | None = None  # while the client does not take what is sent; 0 until seen
        self._discarded_bytes = 0

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._phase_since_s = 0.0

    # --- asyncio ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        full = len(self._all.open) >= self._limits.max_connections
        self._all.open.add(self)
        if full:
            self._incoming.refuse(NotReady("too many connections", headers=((b"Retry-After", b"1"),)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._all.open.discard(self)
        self._incoming.close()
        self._exchanges.clear()

    def eof_received(self) -> bool:
        """Answers that are under way are still sent to a client that has closed its side."""
        if self._phase is not Phase.ENDING:
            self._enter(Phase.IDLE)
        self._incoming.close()
        if self._exchanges:
            self._exchanges[-1].close = True
            return True
        return False

    def pause_writing(self) -> None:
        self._unread_since_s = 0.0
        self._set_reading(False)

    def resume_writing(self) -> None:
        self._unread_since_s = None
        self._set_reading(len(self._exchanges) < self._limits.max_pipelined)

    def data_received(self, data: bytes) -> None:
        if self._incoming.closed:
            self._discard(len(data))
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEADERS)
        self._incoming.chunk_bytes = len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade:
            self._end_after_last()  # no upgrade is taken (RFC 9110, 7.8); what follows is not HTTP/1.1
        except httptools.HttpParserError as error:
            self._incoming.refuse(BadRequest(f"not HTTP/1.1: {error}"))
        if self._phase is Phase.HEADERS:
            self._incoming.count_header_bytes(len(data))
        if len(self._exchanges) >= self._limits.max_pipelined:
            self._set_reading(False)

    def _discard(self, size_bytes: int) -> None:
        self._discarded_bytes += size_bytes
        if self._discarded_bytes > _DISCARD_BYTES and self._transport is not None:
            self._transport.abort()

    # --- requests ---
    def headers_begin(self) -> None:
        self._enter(Phase.HEADERS)

    def body_begins(self, *, expects_continue: bool) -> None:
        self._enter(Phase.BODY)
        if expects_continue and not self._exchanges and self._transport is not None:
            self._transport.write(_CONTINUE)

    def received(self, request: Request, *, keep_alive: bool, http_1_0: bool) -> None:
        request.peer = self._peer
        self._enter(Phase.IDLE)
        head = request.method == b"HEAD"
        exchange = Exchange(self._flush, head=head, close=not keep_alive, http_1_0=http_1_0)
        self._exchanges.append(exchange)
        self._handler.handle(request, exchange)

    def refused(self, request: Request | None, error: RequestError) -> None:
        self._enter(Phase.IDLE)
        exchange = Exchange(self._flush, head=False, close=True, http_1_0=False)
        self._exchanges.append(exchange)
        exchange.answer(self._handler.refuse(request, error))

    # --- answers ---
    def _flush(self) -> None:
        transport, exchanges = self._transport, self._exchanges
        parts: list[bytes] = []
        close = False
        while exchanges and not close and (response := exchanges[0].response) is not None:
            exchange = exchanges.popleft()
            last = self._all.draining and not exchanges and self._phase is Phase.IDLE
            close = exchange.close or last
            parts.append(encode(response, head=exchange.head, close=close, http_1_0=exchange.http_1_0))
        if not parts or transport is None:
            return
        transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if close:
            exchanges.clear()
            self._end()
        elif self._reading_paused:
            self._set_reading(self._unread_since_s is None and len(exchanges) < self._limits.max_pipelined)

    def _set_reading(self, on: bool) -> None:
        if self._transport is None or on is not self._reading_paused:
            return
        self._reading_paused = not on
        (self._transport.resume_reading if on else self._transport.pause_reading)()

    def _end_after_last(self) -> None:
        self._incoming.close()
        if self._exchanges:
            self._exchanges[-1].close = True
        else:
            self._end()

    def _end(self) -> None:
        self._incoming.close()
        self._enter(Phase.ENDING)
        self._set_reading(True)
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    # --- limits of time, and draining ---
    @property
    def busy(self) -> bool:
        unsent = self._transport is not None and self._transport.get_write_buffer_size() > 0
        return bool(self._exchanges) or self._phase in (Phase.HEADERS, Phase.BODY) or unsent

    def end_when_idle(self) -> None:
        if not self.busy and self._phase is Phase.IDLE:
            self._end()

    def check(self, now_s: float) -> None:
        if self._unread_since_s is not None:
            self._unread_since_s = self._unread_since_s or now_s
            if now_s - self._unread_since_s > self._limits.write_timeout_s:
                self._abort()
            return
        self._phase_since_s = self._phase_since_s or now_s
        if now_s - self._phase_since_s <= self._allowed_s():
            return
        if self._phase is Phase.ENDING:
            self._abort()
        elif self._phase is Phase.IDLE:
            self._end()
        else:
            self._incoming.refuse(RequestTimeout(f"the {self._phase.name.lower()} did not arrive in time"))

    def _allowed_s(self) -> float:
        limits = self._limits
        if self._phase is Phase.ENDING:
            return limits.linger_s
        if self._phase is Phase.HEADERS:
            return limits.header_timeout_s
        if self._phase is Phase.BODY:
            return limits.body_timeout_s + self._incoming.body_bytes / limits.min_body_bytes_per_s
        return float("inf") if self._exchanges else limits.keep_alive_s

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
