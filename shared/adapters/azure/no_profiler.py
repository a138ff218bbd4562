"""There is no profiling in the function app: it needs a machine of its own."""

from __future__ import annotations

from shared.errors import NotSupported
from shared.ports import ProfileProgress, ProfileRequest


class NoProfiler:
    """A ModelProfiler that says what to do instead."""

    async def advance(self, request: ProfileRequest, run_id: str) -> ProfileProgress:
        """Raises NotSupported."""
        raise NotSupported("models are not profiled on Azure yet", remedy="profile them with `slipway up` on a machine")

    async def cancel(self, profile_id: str) -> None:
        """See ModelProfiler: nothing runs."""
