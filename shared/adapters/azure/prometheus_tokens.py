"""Tokens of Entra ID for the Prometheus of an Azure Monitor workspace; azure-identity renews them before they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from shared.adapters.azure.errors import translated

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

SCOPE = "https://prometheus.monitor.azure.com/.default"


def prometheus_authorization(credential: AsyncTokenCredential) -> Callable[[], Awaitable[str]]:
    """Gives what the header `Authorization` of a query holds. The identity needs `Monitoring Data Reader`."""

    async def authorization() -> str:
        with translated("getting a token for the Azure Monitor workspace"):
            return f"Bearer {(await credential.get_token(SCOPE)).token}"

    return authorization
