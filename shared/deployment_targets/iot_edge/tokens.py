"""How a hub is told who asks."""

from __future__ import annotations

from typing import Protocol


class HubTokens(Protocol):
    """Gives what the header `Authorization` holds: a SharedAccessSignature, or `Bearer` with a token of Entra ID."""

    async def authorization(self) -> str:
        """One that has not expired. Raises Retryable, Unauthorized, Invalid for a key that is none."""
        ...

    def refused(self, authorization: str) -> None:
        """The hub did not take it: get another one the next time, unless that was done since."""
        ...
