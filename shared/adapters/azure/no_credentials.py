"""There are no endpoints on Azure yet, so there are no keys of theirs: Key Vault comes behind the same port."""

from __future__ import annotations

from collections.abc import Callable

from shared.errors import NotSupported
from shared.resources.endpoint_credentials import EndpointCredentials


class NoCredentials:
    """An EndpointCredentialStore that says what to do instead."""

    async def update(
        self, endpoint: str, change: Callable[[EndpointCredentials | None], EndpointCredentials]
    ) -> EndpointCredentials:
        """Raises NotSupported."""
        remedy = "deploy with `slipway up` on a machine; AKS and IoT Edge are planned"
        raise NotSupported("endpoints are not deployed on Azure yet: they have no keys", remedy=remedy)

    async def keep_only(self, endpoints: frozenset[str]) -> None:
        """See EndpointCredentialStore: nothing is here."""
