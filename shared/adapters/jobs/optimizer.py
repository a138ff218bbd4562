"""Optimisations in jobs of a cluster: the model is opened in a step that has no identity."""

from __future__ import annotations

from shared.adapters.jobs.works import JobWorks, log_of
from shared.errors import Permanent
from shared.ports import OptimizationProgress, OptimizationRequest
from shared.resources.job_work import OptimizationOutcome, OptimizationWork


class JobOptimizer:
    """A ModelOptimizer."""

    def __init__(self, works: JobWorks, index_url: str) -> None:
        self._works = works
        self._index_url = index_url

    async def advance(self, request: OptimizationRequest, run_id: str) -> OptimizationProgress:
        """See ModelOptimizer. The job stores the variants itself."""
        name = request.optimization_id
        work = OptimizationWork(
            optimization_id=name, spec=request.spec, index_url=self._index_url, timeout_s=request.timeout_s
        )
        seen = await self._works.look(name, work, run_id)
        if not seen.has_ended:
            return OptimizationProgress(name, log_of(seen))
        try:
            outcome = await self._works.outcome(seen, OptimizationOutcome)
        except Permanent as error:
            return OptimizationProgress(name, log_of(seen), reason=str(error))
        if outcome.result is None:
            return OptimizationProgress(name, log_of(seen), reason=outcome.reason or "it ended without a result")
        return OptimizationProgress(name, log_of(seen), outcome.result)

    async def cancel(self, optimization_id: str) -> None:
        """See ModelOptimizer."""
        await self._works.cancel(optimization_id)
