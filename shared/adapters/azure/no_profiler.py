"""There is no profiling in the function app: it needs jobs."""

from __future__ import annotations

from shared.errors import NotSupported
from shared.ports import ProfileProgress, ProfileRequest


class NoProfiler:
    """A ModelProfiler that says what to do instead."""

    async def advance(self, request: ProfileRequest, run_id: str) -> ProfileProgress:
        """Raises NotSupported."""
        raise NotSupported(
            "models are profiled in jobs, and there is no image for them", remedy="set SLIPWAY_JOB_IMAGE"
        )

    async def cancel(self, profile_id: str) -> None:
        """See ModelProfiler: nothing runs."""
