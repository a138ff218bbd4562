"""Reads a request's body up to a limit."""

from __future__ import annotations

from aiohttp import web

from shared.errors import TooLarge

MAX_BODY_BYTES = 100 * 1024 * 1024  # Azure Functions, "HTTP trigger", limits: 100 MB


async def read_body(request: web.Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises TooLarge by its Content-Length before reading anything, else as soon as it grows beyond
    max_bytes."""
    message = f"the body is larger than {max_bytes} bytes, the limit of Azure Functions"
    if (request.content_length or 0) > max_bytes:
        raise TooLarge(message)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(message)
    return bytes(body)
