"""How a cluster is reached, where no kubeconfig says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ClusterLogin:
    """An API server, and a token for it."""

    server: str  # https://HOST:PORT
    certificate_authority_data: str  # base64 of PEM; "" for the machine's own authorities
    token: str = field(repr=False)


class LoginSource(Protocol):
    """Gives logins that are good now."""

    async def login(self) -> ClusterLogin:
        """One whose token has not expired. Raises Retryable, Unauthorized."""
        ...

    def forget(self, login: ClusterLogin) -> None:
        """It was refused: get everything anew the next time, unless that was done since."""
        ...
