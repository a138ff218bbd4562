"""Puts callers' requests together from what httptools finds in the bytes of a connection, within limits."""

from __future__ import annotations

from typing import Protocol

import httptools

from shared.router.messages import MAX_REQUEST_ID, Raw, Request

MAX_HEAD_BYTES = 65_536  # request line and headers; then 431
MAX_HEADERS = 200
MAX_BUFFERED_BYTES = 512 * 2**20  # of bodies of all connections that are not whole yet; then 503


class Refused(Exception):
    """The request is not taken, and nothing else of its connection."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Sink(Protocol):
    """Where whole requests go."""

    @property
    def max_body_bytes(self) -> int:
        """Of one request."""
        ...

    @property
    def sticky_header(self) -> bytes:
        """In lower case; b"" for none."""
        ...

    def continue_expected(self) -> None:
        """The caller waits for 100 Continue before it sends the body (RFC 9110, 10.1.1)."""
        ...

    def received(self, request: Request, *, http_1_0: bool) -> None:
        """A request is whole."""
        ...


class Buffered:
    """Bytes of bodies that are not whole yet, of all connections."""

    def __init__(self) -> None:
        self.size_bytes = 0


class Incoming:
    """The callbacks of one httptools.HttpRequestParser. `feed` raises Refused."""

    def __init__(self, sink: Sink, buffered: Buffered, added: bytes) -> None:
        """`added` are whole header lines, which go on with every request."""
        self._sink = sink
        self._buffered = buffered
        self._added = added
        self._parser = httptools.HttpRequestParser(self)
        self._parse = self._parser.feed_data
        self._size_bytes = 0
        self._fault: Refused | None = None
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: Raw = []
        self._chunks: list[bytes] = []
        self._in_body = False
        self._head_bytes = 0
        self._buffered.size_bytes -= self._size_bytes
        self._size_bytes = 0
        self.partial = False  # whether a request has begun and is not whole

    def feed(self, data: bytes) -> None:
        """Take what has come; the sink gets the requests in it. Raises Refused."""
        self.partial = True
        try:
            self._parse(data)
        except httptools.HttpParserUpgrade as error:
            raise Refused(501, "no upgrade to another protocol is taken") from error
        except httptools.HttpParserError as error:
            raise self._fault or Refused(400, f"this is not HTTP/1.1: {error}") from error
        if self._fault is not None:
            raise self._fault
        if self.partial and not self._in_body:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise Refused(431, f"request line and headers exceed {MAX_HEAD_BYTES} bytes")

    def close(self) -> None:
        """Give back the memory of what has come."""
        self._begin()

    # --- httptools ---
    def on_message_begin(self) -> None:
        self._begin()
        self.partial = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # trailers are not passed on (RFC 9110, 6.5.1)
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_body = True
        expect = length = host = None
        for name, value in self._headers:
            if len(name) == 4 and name.lower() == b"host":
                host = value
            elif len(name) == 6 and name.lower() == b"expect":
                expect = value.lower()
            elif len(name) == 14 and name.lower() == b"content-length":
                length = int(value)
        if len(self._headers) > MAX_HEADERS:
            self._refuse(431, f"more than {MAX_HEADERS} headers")
        elif host is None and self._parser.get_http_version() == "1.1":
            self._refuse(400, "the Host header is missing (RFC 9112, 3.2)")
        elif expect not in (None, b"100-continue"):
            self._refuse(417, "only 100-continue can be expected")
        elif length is not None and length > self._sink.max_body_bytes:
            self._refuse(413, f"the body exceeds {self._sink.max_body_bytes} bytes")
        elif expect is not None:
            self._sink.continue_expected()

    def on_body(self, body: bytes) -> None:
        if self._fault is not None:
            return
        self._chunks.append(body)
        self._size_bytes += len(body)
        self._buffered.size_bytes += len(body)
        if self._size_bytes > self._sink.max_body_bytes:
            self._refuse(413, f"the body exceeds {self._sink.max_body_bytes} bytes")
        elif self._buffered.size_bytes > MAX_BUFFERED_BYTES:
            self._refuse(503, "too many large bodies arrive at once")

    def on_message_complete(self) -> None:
        if self._fault is not None:
            return
        parser, chunks = self._parser, self._chunks
        body = b"" if not chunks else chunks[0] if len(chunks) == 1 else b"".join(chunks)
        sticky = self._sink.sticky_header
        request = Request(parser.get_method(), self._target, self._headers, body, self._added, sticky)
        request.keep_alive = parser.should_keep_alive()
        http_1_0 = parser.get_http_version() == "1.0"
        self._begin()
        if len(request.id) > MAX_REQUEST_ID:
            self._refuse(431, f"x-request-id must not exceed {MAX_REQUEST_ID} characters")
            return
        self._sink.received(request, http_1_0=http_1_0)

    def _refuse(self, status: int, detail: str) -> None:
        self._fault = self._fault or Refused(status, detail)
