"""Tokens of Entra ID for IoT hubs; azure-identity renews them before they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.adapters.azure.errors import translated

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

SCOPE = "https://iothubs.azure.net/.default"


class EntraHubTokens:
    """HubTokens. The identity needs `IoT Hub Data Contributor`."""

    def __init__(self, credential: AsyncTokenCredential) -> None:
        self._credential = credential

    async def authorization(self) -> str:
        """See HubTokens."""
        with translated("getting a token for the IoT hub"):
            return f"Bearer {(await self._credential.get_token(SCOPE)).token}"

    def refused(self, authorization: str) -> None:
        """See HubTokens: the credential alone knows when its tokens end."""
