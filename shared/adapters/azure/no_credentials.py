"""No keys of endpoints are kept on Azure yet: Key Vault comes behind the same port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared.errors import NotSupported
from shared.resources.endpoint_credentials import EndpointCredentials


class NoCredentials:
    """An EndpointCredentialStore that says what to do instead."""

    async def update(
        self, endpoint: str, change: Callable[[EndpointCredentials | None], EndpointCredentials]
    ) -> EndpointCredentials:
        """Raises NotSupported."""
        remedy = "let the cluster's gateway know callers, and say so: `open_to_callers: true` of the compute"
        raise NotSupported("no keys of endpoints are kept on Azure yet", remedy=remedy)

    async def keep_only(self, endpoints: frozenset[str], before: datetime) -> None:
        """See EndpointCredentialStore: nothing is here."""
