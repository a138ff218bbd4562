"""There is no optimisation in the function app: without an image for jobs there is none at all."""

from __future__ import annotations

from shared.errors import NotSupported
from shared.ports import OptimizationProgress, OptimizationRequest


class NoOptimizer:
    """A ModelOptimizer that says what to do instead."""

    async def advance(self, request: OptimizationRequest, run_id: str) -> OptimizationProgress:
        """Raises NotSupported."""
        raise NotSupported(
            "models are optimised in jobs, and there is no image for them", remedy="set SLIPWAY_JOB_IMAGE"
        )

    async def cancel(self, optimization_id: str) -> None:
        """See ModelOptimizer: nothing runs."""
