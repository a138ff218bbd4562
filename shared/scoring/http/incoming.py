"""Puts requests together from what httptools finds in the bytes of a connection, within the limits."""

from __future__ import annotations

from typing import Protocol

import httptools

from shared.scoring.errors import (
    BadRequest,
    BodyTooLarge,
    ExpectationFailed,
    HeadersTooLarge,
    NotReady,
    RequestError,
)
from shared.scoring.http.connections import Connections
from shared.scoring.http.messages import Request


class Sink(Protocol):
    """Where complete requests go."""

    def headers_begin(self) -> None:
        """The first byte of a request was read."""
        ...

    def body_begins(self, *, expects_continue: bool) -> None:
        """The headers of a request are complete, and it is not refused."""
        ...

    def received(self, request: Request, *, keep_alive: bool, http_1_0: bool) -> None:
        """A request is complete."""
        ...

    def refused(self, request: Request | None, error: RequestError) -> None:
        """What arrives is not taken; nothing else will be. None when not even the headers were read."""
        ...


class Incoming:
    """The callbacks of one httptools.HttpRequestParser. After a refusal it ignores everything."""

    def __init__(self, sink: Sink, connections: Connections) -> None:
        self._sink = sink
        self._all = connections
        self._limits = connections.limits
        self.parser = httptools.HttpRequestParser(self)
        self.closed = False
        self.body_bytes = 0
        self.chunk_bytes = 0  # of the data that are being parsed
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._header_bytes: int | None = None  # until the chunk in which it begins has ended
        self._chunks: list[bytes] = []
        self._request: Request | None = None

    def close(self) -> None:
        """Take nothing more, and give back the memory of what has arrived."""
        self.closed = True
        self._all.buffered_bytes -= self.body_bytes
        self.body_bytes = 0
        self._begin()

    def refuse(self, error: RequestError) -> None:
        """Refuse what is arriving, once."""
        if not self.closed:
            request = self._request
            self.close()
            self._sink.refused(request, error)

    def count_header_bytes(self, size_bytes: int) -> None:
        """After size_bytes that left the headers incomplete. Of those in which the request begins only what was parsed
        counts: what is before it belongs to others."""
        if self._header_bytes is None:
            self._header_bytes = self._parsed_bytes()
        else:
            self._header_bytes += size_bytes
        if self._header_bytes > self._limits.max_header_bytes:
            self.refuse(HeadersTooLarge(f"request line and headers exceed {self._limits.max_header_bytes} bytes"))

    def _parsed_bytes(self) -> int:
        return len(self._target) + sum(len(name) + len(value) for name, value in self._raw_headers)

    # --- httptools ---
    def on_message_begin(self) -> None:
        if not self.closed:
            self._begin()
            self._sink.headers_begin()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.closed:
            return
        self._request = request = Request(self.parser.get_method(), self._target, self._raw_headers)
        expect = request.headers.get(b"expect", b"").lower()
        error = self._header_fault(request)
        if error is None and expect not in (b"", b"100-continue"):
            error = ExpectationFailed("only 100-continue can be expected")
        if error is not None:
            self.refuse(error)
        else:
            self._sink.body_begins(expects_continue=expect != b"")

    def _header_fault(self, request: Request) -> RequestError | None:
        headers, limits = request.headers, self._limits
        size_bytes = self.chunk_bytes
        if size_bytes > limits.max_header_bytes:  # with others' bytes, perhaps: only now they are counted one by one
            size_bytes = self._parsed_bytes()
        if size_bytes > limits.max_header_bytes or len(self._raw_headers) > limits.max_headers:
            return HeadersTooLarge(f"more than {limits.max_header_bytes} bytes or {limits.max_headers} headers")
        if b"host" not in headers and self.parser.get_http_version() == "1.1":
            return BadRequest("the Host header is missing (RFC 9112, 3.2)")
        length = headers.get(b"content-length")
        return None if length is None else self._size_fault(int(length), int(length))

    def _size_fault(self, body_bytes: int, further_bytes: int) -> RequestError | None:
        if body_bytes > self._limits.max_body_bytes:
            return BodyTooLarge(f"the body exceeds {self._limits.max_body_bytes} bytes")
        if self._all.buffered_bytes + further_bytes > self._limits.max_buffered_bytes:
            return NotReady("too many large bodies at once", headers=((b"Retry-After", b"1"),))
        return None

    def on_body(self, body: bytes) -> None:
        if self.closed:
            return
        size_bytes = len(body)
        error = self._size_fault(self.body_bytes + size_bytes, size_bytes)
        if error is not None:
            self.refuse(error)
            return
        self._chunks.append(body)
        self.body_bytes += size_bytes
        self._all.buffered_bytes += size_bytes

    def on_message_complete(self) -> None:
        request = self._request
        if self.closed or request is None:
            return
        request.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._all.buffered_bytes -= self.body_bytes
        self.body_bytes = 0
        self._begin()
        self._sink.received(
            request,
            keep_alive=self.parser.should_keep_alive(),
            http_1_0=self.parser.get_http_version() == "1.0",
        )
