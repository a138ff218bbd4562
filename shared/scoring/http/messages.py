"""A request as it was received and a response as it is sent."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from shared.scoring.errors import BadRequest

JSON = b"application/json"
PROBLEM = b"application/problem+json"
TEXT = b"text/plain; charset=utf-8"

Headers = tuple[tuple[bytes, bytes], ...]


class Request:
    """One received request. Names in `headers` are lower case; repeated ones are joined by ", " (RFC 9110, 5.3)."""

    __slots__ = ("body", "headers", "id", "keep_alive", "method", "path", "peer", "query", "raw_headers", "received_s")

    def __init__(self, method: bytes, target: bytes, raw_headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.path, _, self.query = target.partition(b"?")
        self.raw_headers = raw_headers
        self.headers: dict[bytes, bytes] = {}
        for name, value in raw_headers:
            key = name.lower()
            self.headers[key] = value if key not in self.headers else self.headers[key] + b", " + value
        self.body = b""
        self.keep_alive = True
        self.id = ""
        self.peer = ""
        self.received_s = time.perf_counter()

    def header(self, name: bytes) -> str:
        """The value of a header, "" when there is none. `name` is lower case."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def media_type(self) -> bytes:
        """The content type in lower case without parameters, b"" when there is none."""
        return self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


class Response:
    """What is sent. `headers` come after Content-Type and Content-Length, which are derived."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(self, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


def _status_line(status: int) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:  # an entry script may choose any number
        reason = "Unknown"
    return f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1")


_STATUS_LINES = {int(status): _status_line(int(status)) for status in HTTPStatus}
_BODYLESS = frozenset({204, 304})


class Clock:
    """The Date header, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def date_line(self) -> bytes:
        """`Date: ...` with its line end (RFC 9110, 6.6.1)."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._line = b"Date: " + formatdate(now, usegmt=True).encode("ascii") + b"\r\n"
        return self._line


CLOCK = Clock()


def encode(response: Response, *, head: bool, close: bool, http_1_0: bool) -> bytes:
    """The response as bytes on the wire; with `head` without its body (RFC 9112)."""
    status = response.status
    parts = [_STATUS_LINES.get(status) or _status_line(status), CLOCK.date_line()]
    if status not in _BODYLESS:
        parts += (b"Content-Length: ", str(len(response.body)).encode("ascii"), b"\r\n")
        if response.content_type:
            parts += (b"Content-Type: ", response.content_type, b"\r\n")
    for name, value in response.headers:
        parts += (name, b": ", value, b"\r\n")
    if close:
        parts.append(b"Connection: close\r\n")
    elif http_1_0:
        parts.append(b"Connection: keep-alive\r\n")
    parts.append(b"\r\n")
    if not head and status not in _BODYLESS:
        parts.append(response.body)
    return b"".join(parts)


def check_header(name: bytes, value: bytes) -> None:
    """Raises BadRequest for a header of an entry script that would break the response apart."""
    if not name or any(byte <= 32 or byte == 58 or byte >= 127 for byte in name):
        raise BadRequest(f"{name!r} is not the name of a header")
    if any(byte in b"\r\n\0" for byte in value):
        raise BadRequest(f"the header {name.decode('latin-1')} has a line end in its value")
