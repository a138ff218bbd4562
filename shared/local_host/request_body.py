"""Reads a request's body up to a limit."""

from __future__ import annotations

from aiohttp import ClientPayloadError, web

from shared.errors import BadRequest, Invalid, TooLarge

MAX_BODY_BYTES = 100 * 1024 * 1024  # Azure Functions, "HTTP trigger", limits: 100 MB
BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"  # Azure Functions, "App settings reference": overrides it


def body_limit_bytes(setting: str | None) -> int:
    """The limit that the app setting asks for. Raises Invalid unless it is a positive number of bytes."""
    if not setting:
        return MAX_BODY_BYTES
    if not (setting.isascii() and setting.isdigit() and int(setting) > 0):
        raise Invalid(f"{BODY_LIMIT_SETTING} is {setting!r}: a number of bytes above 0 is allowed")
    return int(setting)


async def read_body(request: web.Request, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises TooLarge by its Content-Length before reading anything, else as soon as it grows beyond
    max_bytes; BadRequest when it breaks off."""
    message = f"the body is larger than {max_bytes} bytes, the limit of this host"
    if (request.content_length or 0) > max_bytes:
        raise TooLarge(message)
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > max_bytes:
                raise TooLarge(message)
    except (ClientPayloadError, ConnectionError, web.RequestPayloadError) as error:
        raise BadRequest(f"the body broke off after {len(body)} bytes") from error
    return bytes(body)
