"""A POST of JSON to a URL that is a secret."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from shared.errors import Invalid, Permanent, Retryable

TIMEOUT_S = 15.0
_BUSY = frozenset({408, 425, 429})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def checked_url(url: str, secret: str) -> str:
    """The URL. Raises Invalid, which names the secret and never the URL, for all but https, and http to this
    machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return url
    raise Invalid(f"the secret {secret} holds no URL that is accepted", remedy="let it be https://...")


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises Retryable when the receiver is busy or not there, Permanent for what it refuses. Redirects are refused:
    whoever can answer one could have it sent elsewhere."""
    import aiohttp

    sent = {"content-type": "application/json", **headers}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
            http.post(url, data=body, headers=sent, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Retryable(f"the receiver cannot be reached: {type(error).__name__}") from None
    if status in _BUSY or status >= 500:
        raise Retryable(f"the receiver answered {status}")
    if not 200 <= status < 300:
        raise Permanent(f"the receiver answered {status}")
