"""One connection to a process of a deployment: sends a request, hands its answer to a sink as it arrives."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from shared.router.messages import AnswerHead, Raw, Request

_JOINED_BYTES = 65_536  # up to here head and body are one write
MAX_HEAD_BYTES = 262_144


class Sink(Protocol):
    """Who asked."""

    def head(self, head: AnswerHead, *, empty: bool) -> None:
        """The answer's head is here; `empty` tells that no body follows."""
        ...

    def chunk(self, data: bytes) -> None:
        """A part of the body."""
        ...

    def flush(self) -> None:
        """What came at once is through."""
        ...

    def done(self) -> None:
        """The answer is whole. The connection is free, or closed, by then."""
        ...

    def lost(self, reason: str, *, reached: bool) -> None:
        """There will be no further part. `reached` tells whether the process may have seen the request."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """Serves one request at a time. `free` is called when it can take the next, `gone` when it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        free: Callable[[UpstreamConnection], None],
        gone: Callable[[UpstreamConnection], None],
    ) -> None:
        self._socket = sock
        self._free = free
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._sink: Sink | None = None
        self.idle_since_s = 0.0  # the loop's time
        self._begin_parsing()

    def _begin_parsing(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._reset()

    def _reset(self) -> None:
        self._headers: Raw = []
        self._head_bytes = 0
        self._has_head = self._complete = self._until_close = False
        self._is_head = self._keep = False

    # --- use ---
    @property
    def usable(self) -> bool:
        """Whether it is open, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def is_stale(self) -> bool:
        """Whether the kernel knows already that the other side has closed it, or sent what nobody asked for."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    def send(self, request: Request, sink: Sink) -> None:
        """Send a request. The sink hears of its answer, or of its loss, later."""
        transport = self._transport
        if transport is None:
            asyncio.get_running_loop().call_soon(lambda: sink.lost("it is closed", reached=False))
            return
        self._sink = sink
        self._is_head = request.is_head
        if len(request.body) <= _JOINED_BYTES:
            transport.write(request.head + request.body if request.body else request.head)
        else:
            transport.write(request.head)
            transport.write(request.body)

    def set_reading(self, on: bool) -> None:
        """Whether more of the answer is taken, for a caller that is slower than the process."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if on else self._transport.pause_reading)()

    def abandon(self) -> None:
        """Close it at once; its sink hears nothing more."""
        self._sink = None
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio ---
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        sink = self._sink
        if sink is None:
            self.abandon()  # nobody asked
            return
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"it does not speak HTTP/1.1: {error}")
            return
        if not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._fail(f"the head of its answer exceeds {MAX_HEAD_BYTES} bytes")
        elif self._complete:
            self._finish(sink, keep=self._keep)
        else:
            sink.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        sink, self._sink = self._sink, None
        if sink is not None:
            if self._until_close and exc is None:
                sink.done()
            else:
                sink.lost(f"it closed the connection ({exc or 'end of data'})", reached=True)
        self._gone(self)

    def _finish(self, sink: Sink, *, keep: bool) -> None:
        self._sink = None
        was_head = self._is_head
        self._reset()
        if not keep or self._transport is None:
            self.abandon()
        else:
            if was_head:  # the parser waits for a body that does not come
                self._begin_parsing()
            self._free(self)
        sink.done()

    def _fail(self, reason: str) -> None:
        sink = self._sink
        self.abandon()
        if sink is not None:
            sink.lost(reason, reached=True)

    # --- httptools ---
    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:  # trailers are not passed on (RFC 9110, 6.5.1)
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._sink is None:
            self._headers = []
            return
        head = AnswerHead(status, self._headers)
        self._has_head = True
        empty = head.ends_with_head(is_head=self._is_head)
        self._until_close = not (empty or head.sized or head.chunked)
        self._complete = empty
        self._keep = self._parser.should_keep_alive()
        self._sink.head(head, empty=empty)

    def on_body(self, body: bytes) -> None:
        if self._sink is not None and not self._complete:
            self._sink.chunk(body)

    def on_message_complete(self) -> None:
        if self._has_head:  # and not one of the 1xx, which are not passed on
            self._complete = True
