"""The HTTP protocol without a socket: the same bytes in one piece and in pieces must be the same requests, and every
answer must be HTTP/1.1."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from shared.scoring.errors import RequestError
from shared.scoring.http.connections import Connections
from shared.scoring.http.exchange import Exchange
from shared.scoring.http.limits import Limits
from shared.scoring.http.messages import Request, Response
from shared.scoring.http.protocol import HttpProtocol

LIMITS = Limits(max_header_bytes=2_000, max_headers=20, max_body_bytes=4_000, max_buffered_bytes=20_000)


class Wire(asyncio.Transport):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.sent = b""
        self.ended = False
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.ended, "written after the end"
        self.sent += bytes(data)

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.ended = True


class Heard:
    """A handler that answers at once, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, bytes, dict[bytes, bytes]]] = []
        self.refusals: list[int] = []

    def handle(self, request: Request, exchange: Exchange) -> None:
        self.requests.append((request.method, request.path, request.body, request.headers))
        exchange.answer(Response(200, request.body))

    def refuse(self, request: Request | None, error: RequestError) -> Response:
        self.refusals.append(error.status)
        return Response(error.status, b"refused")


class _Answers:
    def __init__(self) -> None:
        self.count = 0

    def on_message_complete(self) -> None:
        self.count += 1


def hear(data: bytes, piece_bytes: int) -> Heard:
    """What arrives when the bytes come in pieces of that size."""
    heard, all_open = Heard(), Connections(LIMITS)
    protocol, wire = HttpProtocol(heard, all_open), Wire()
    protocol.connection_made(wire)
    for start in range(0, len(data), piece_bytes):
        protocol.data_received(data[start : start + piece_bytes])
        if wire.ended:
            break
    protocol.check(1.0)
    protocol.eof_received()
    protocol.connection_lost(None)
    assert all_open.buffered_bytes == 0, "memory of bodies is not given back"
    assert not all_open.open
    _check_answers(wire.sent, heard)
    return heard


def _check_answers(sent: bytes, heard: Heard) -> None:
    sent = sent.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    if any(method == b"HEAD" for method, *_ in heard.requests):
        return  # their answers have lengths without bodies
    answers = _Answers()
    if sent:
        httptools.HttpResponseParser(answers).feed_data(sent)
    assert answers.count == len(heard.requests) + len(heard.refusals), (answers.count, sent)


def check_http(data: bytes) -> None:
    """The first byte is the size of the pieces."""
    rest = data[1:]
    whole, pieces = hear(rest, max(1, len(rest))), hear(rest, 1 + data[0] % 64)
    assert pieces.requests == whole.requests, (pieces.requests, whole.requests)
    assert bool(pieces.refusals) == bool(whole.refusals), (pieces.refusals, whole.refusals)
