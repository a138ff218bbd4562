"""Bodies of answers over HTTP, read as far as they may go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader


async def read_at_most(content: StreamReader, max_bytes: int) -> bytes:
    """The body, or its first `max_bytes`. A single `read(n)` gives what has arrived so far, which may be less."""
    pieces: list[bytes] = []
    left = max_bytes
    while left and (piece := await content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
