"""What a client may send, how long it may take, and how much all of them together may hold in memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Beyond each of them the answer is 408, 413, 431 or 503, and the connection ends."""

    max_header_bytes: int = 65_536  # request line and headers of one request
    max_headers: int = 200
    max_body_bytes: int = 100 * 2**20
    max_buffered_bytes: int = 512 * 2**20  # bodies that all connections hold at once
    max_connections: int = 4_000
    max_pipelined: int = 64  # requests of one connection that wait for their answers; then it is read no further
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0  # and one second more for each MIN_BODY_RATE bytes that did arrive
    min_body_bytes_per_s: int = 16_384
    keep_alive_s: float = 75.0
    write_timeout_s: float = 30.0  # that a client may leave answers unread
    linger_s: float = 1.0  # reading on after a refusal, so that the client sees it instead of a reset
