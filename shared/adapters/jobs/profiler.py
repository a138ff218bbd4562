"""Profiles of models in jobs of a cluster: the environment is made anew in the job, and measured there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from shared.adapters.jobs.works import JobWorks, log_of
from shared.errors import NotSupported, Permanent
from shared.ports import ProfileProgress, ProfileRequest
from shared.profiling.prices import read_prices
from shared.resources.job_work import ProfileOutcome, ProfileWork
from shared.resources.profile import ProfileResult, ProfileState


class JobProfiler:
    """A ModelProfiler. In a pod whole cores are measured: nobody there may make control groups. `prices` is the file of
    a table of prices; "" takes the packaged one."""

    def __init__(self, works: JobWorks, index_url: str, cpus: float, prices: str = "") -> None:
        self._works = works
        self._prices = prices
        self._cpus = cpus
        self._index_url = index_url

    async def advance(self, request: ProfileRequest, run_id: str) -> ProfileProgress:
        """See ModelProfiler. One that died begins anew. Raises NotSupported for an environment that is an image as it
        was found: no recipe says how to make it; Invalid for a table of prices that is none."""
        if request.recipe is None:
            raise NotSupported(
                f"{request.spec.environment} is an image as it is: it cannot be made in a job",
                remedy="declare its packages as `pip` or `conda_file`",
            )
        work = ProfileWork(
            profile_id=request.profile_id,
            spec=request.spec,
            recipe=request.recipe,
            packages=list(request.packages),
            index_url=self._index_url,
            cpus=self._cpus,
            prices=await asyncio.to_thread(self._table),
            timeout_s=request.timeout_s,
        )
        seen = await self._works.look(request.profile_id, work, run_id)
        if not seen.has_ended:
            return ProfileProgress(request.profile_id, log_of(seen))
        try:
            result = (await self._works.outcome(seen, ProfileOutcome)).result
        except Permanent as error:
            result = ProfileResult(state=ProfileState.FAILED, error=str(error))
        return ProfileProgress(request.profile_id, log_of(seen), result)

    def _table(self) -> str:
        return read_prices(Path(self._prices)).model_dump_json(by_alias=True) if self._prices else ""

    async def cancel(self, profile_id: str) -> None:
        """See ModelProfiler."""
        await self._works.cancel(profile_id)
