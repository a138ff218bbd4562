"""Azure Resource Manager: requests with a token that goes nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from shared.adapters.azure.errors import translated
from shared.errors import Invalid, Permanent, Retryable
from shared.events.subscriptions import is_loopback

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

MANAGEMENT_URL = "https://management.azure.com"
SCOPE = "https://management.azure.com/.default"
REQUEST_TIMEOUT_S = 60.0

Answer = tuple[int, Mapping[str, str], dict[str, Any]]  # status, headers (any case), body ({} when there is none)


class ArmClient:
    """Asks Azure Resource Manager. Makes no session of its own: who asks often keeps one."""

    def __init__(
        self, credential: AsyncTokenCredential, management_url: str = MANAGEMENT_URL, scope: str = SCOPE
    ) -> None:
        parts = urlsplit(management_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise Invalid("the management URL must be https", remedy=f"give {MANAGEMENT_URL} or a sovereign one")
        self.management_url = management_url.rstrip("/")
        self._credential = credential
        self._scope = scope

    def session(self) -> aiohttp.ClientSession:
        """A session for a few requests."""
        import aiohttp

        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S))

    async def request(
        self, session: aiohttp.ClientSession, method: str, url: str, body: dict[str, Any] | None = None
    ) -> Answer:
        """The answer to one request, whatever its status. Raises Retryable when it can't be reached, Permanent for a
        URL of another host."""
        import aiohttp

        target = urljoin(self.management_url, url)
        if urlsplit(target)[:2] != urlsplit(self.management_url)[:2]:
            raise Permanent("Azure named a URL of another host; the token is not sent there")
        with translated("getting a token for Azure Resource Manager"):
            token = (await self._credential.get_token(self._scope)).token
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            async with session.request(method, target, headers=headers, json=body, allow_redirects=False) as response:
                return response.status, response.headers, _object(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Retryable(f"Azure Resource Manager cannot be reached ({type(error).__name__})") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except ValueError:
        document = {}
    return document if isinstance(document, dict) else {}
