"""There is no optimisation in the function app: it needs a machine of its own."""

from __future__ import annotations

from shared.errors import NotSupported
from shared.ports import OptimizationProgress, OptimizationRequest


class NoOptimizer:
    """A ModelOptimizer that says what to do instead."""

    async def advance(self, request: OptimizationRequest, run_id: str) -> OptimizationProgress:
        """Raises NotSupported."""
        remedy = "optimise them with `slipway up` on a machine"
        raise NotSupported("models are not optimised on Azure yet", remedy=remedy)

    async def cancel(self, optimization_id: str) -> None:
        """See ModelOptimizer: nothing runs."""
