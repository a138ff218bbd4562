"""Where the keys of endpoints are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from shared.resources.endpoint_credentials import EndpointCredentials


class EndpointCredentialStore(Protocol):
    """Keeps secrets, apart from the resources: a private folder of this machine; later Key Vault."""

    async def update(
        self, endpoint: str, change: Callable[[EndpointCredentials | None], EndpointCredentials]
    ) -> EndpointCredentials:
        """What `change` makes of what is kept (None for nothing), kept from now on. Nothing is written when it is the
        same. Two updates at once happen one after the other. Raises NotSupported where none are kept, Permanent for
        what is damaged, Retryable when the place does not answer."""
        ...

    async def keep_only(self, endpoints: frozenset[str], before: datetime) -> None:
        """Forget those of every other endpoint, as far as they were made for one that was created before: what was
        created since `endpoints` was read is none of it."""
        ...
