"""Requests and answers on their way through: what is kept, what a proxy has to take out, and what it adds."""

from __future__ import annotations

import json
import random
from http import HTTPStatus

DEPLOYMENT_HEADER = b"azureml-model-deployment"
_REQUEST_ID = b"x-request-id"
MAX_REQUEST_ID = 100  # characters; Azure ML's inference server answers 431 beyond
# What concerns one connection only (RFC 9110, 7.6.1), and framing, which is made anew.
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
# The credentials are for the endpoint: a script behind it, and its logs, get none.
_OF_REQUEST = _HOP_BY_HOP | {b"content-length", b"expect", b"authorization"}
# Safe methods and those that may be done twice (RFC 9110, 9.2.2).
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"})
_BODYLESS = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE"})
_KEEP_ALIVE = (b"keep-alive", b"close")
_random = random.Random()  # noqa: S311 - ids need to differ, not to be secret

Raw = list[tuple[bytes, bytes]]


class Request:
    """A whole request, as it is sent on."""

    __slots__ = (
        "authorization",
        "body",
        "deployment",
        "head",
        "id",
        "idempotent",
        "is_head",
        "keep_alive",
        "sticky",
        "target",
    )

    def __init__(self, method: bytes, target: bytes, headers: Raw, body: bytes, added: bytes, sticky: bytes) -> None:
        """`added` are whole lines, and `sticky` is the lower-case name of the header that says who calls."""
        self.target = target
        self.body = body
        self.is_head = method == b"HEAD"
        self.keep_alive = True
        self.id = b""
        self.deployment = b""  # that the caller asked for
        self.sticky = b""  # value of the sticky header
        self.authorization = b""  # value of that header
        self.idempotent = method in _IDEMPOTENT
        parts = [method, b" ", target, b" HTTP/1.1\r\n"]
        left_out = _left_out(headers)
        for name, value in headers:
            key = name.lower()
            if key in left_out:
                if key == b"authorization":  # more than one is none (RFC 9110, 11.6.2)
                    self.authorization = b"" if self.authorization else value
                continue
            parts += (name, b": ", value, b"\r\n")
            if key == _REQUEST_ID:
                self.id = value
            elif key == DEPLOYMENT_HEADER:
                self.deployment = value
            elif key == b"idempotency-key":  # draft-ietf-httpapi-idempotency-key-header: it may be sent again
                self.idempotent = True
            if key == sticky:
                self.sticky = value
        if not self.id:
            self.id = new_id()
            parts += (_REQUEST_ID, b": ", self.id, b"\r\n")
        if body or method not in _BODYLESS:
            parts += (b"content-length: ", str(len(body)).encode(), b"\r\n")
        parts += (added, b"\r\n")
        self.head = b"".join(parts)


def _left_out(headers: Raw) -> frozenset[bytes]:
    """Headers that concern the caller's connection only, with those that Connection names."""
    for name, value in headers:
        if len(name) == 10 and name.lower() == b"connection" and value.lower() not in _KEEP_ALIVE:
            return _OF_REQUEST | {one.strip().lower() for one in value.split(b",")}
    return _OF_REQUEST


def new_id() -> bytes:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{_random.getrandbits(128):032x}"
    id_ = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[_random.getrandbits(2)]}{digits[17:20]}-{digits[20:]}"
    return id_.encode()


def _status_line(status: int) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    return f"HTTP/1.1 {status} {reason}\r\n".encode("latin-1")


_STATUS_LINES = {int(status): _status_line(int(status)) for status in HTTPStatus}


class AnswerHead:
    """The head of an upstream's answer, and how its end is found (RFC 9112, 6.3)."""

    __slots__ = ("chunked", "has_id", "lines", "sized", "status")

    def __init__(self, status: int, headers: Raw) -> None:
        self.status = status
        self.sized = self.chunked = self.has_id = False
        lines: list[bytes] = [_STATUS_LINES.get(status) or _status_line(status)]
        for name, value in headers:
            key = name.lower()
            if key in _HOP_BY_HOP:
                self.chunked |= key == b"transfer-encoding"
                continue
            if key == b"content-length":
                self.sized = True
            elif key == _REQUEST_ID:
                self.has_id = True
            elif key == DEPLOYMENT_HEADER:
                continue
            lines += (name, b": ", value, b"\r\n")
        self.lines = lines

    def ends_with_head(self, *, is_head: bool) -> bool:
        """Whether no body follows, whatever its headers say."""
        return is_head or self.status in (204, 304)


def own_answer(
    status: int, detail: str, request_id: bytes, *, close: bool, is_head: bool = False, added: bytes = b""
) -> bytes:
    """An answer of the router itself: problem+json (RFC 9457); `added` are whole header lines."""
    document = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    retry = b"Retry-After: 1\r\n" if status in (429, 503) else b""
    return plain_answer(
        status,
        json.dumps(document).encode(),
        b"application/problem+json",
        added=added + retry + (b"x-request-id: " + request_id + b"\r\n" if request_id else b""),
        close=close,
        is_head=is_head,
    )


def plain_answer(
    status: int, body: bytes, content_type: bytes, *, added: bytes = b"", close: bool, is_head: bool = False
) -> bytes:
    """An answer as bytes; `added` are whole lines."""
    ending = b"Connection: close\r\n\r\n" if close else b"\r\n"
    head = b"Content-Type: " + content_type + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n"
    return _STATUS_LINES[status] + head + added + ending + (b"" if is_head else body)
