"""Optimisations on this machine: the model is opened only by limited processes of a locked environment."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.optimization.environment import environment_of
from shared.optimization.kinds import recognise
from shared.optimization.optimize import optimize
from shared.optimization.plan import Plan
from shared.ports import EnvironmentBuilder, OptimizationProgress, OptimizationRequest
from shared.resources.optimization import OptimizationResult

CHUNK_BYTES = 1 << 20


class LocalOptimizer:
    """A ModelOptimizer. `folder` holds what is optimised while that lasts; `builder` builds environments here; `alone`
    is held while something is measured: two at once would measure each other."""

    def __init__(
        self, folder: Path, builder: EnvironmentBuilder, index_url: str = "", *, alone: asyncio.Lock | None = None
    ) -> None:
        self._alone = alone or asyncio.Lock()
        self._folder = folder.resolve()
        self._builder = builder
        self._index_url = index_url
        self._builds = LocalBuilds(self._folder)

    async def advance(self, request: OptimizationRequest, run_id: str) -> OptimizationProgress:
        """See ModelOptimizer."""
        progress = await self._builds.look(request.optimization_id, lambda say: self._optimize(request, say))
        if progress.state == "Running":
            return OptimizationProgress(progress.run_id, progress.log)
        if progress.state == "Succeeded":
            result = OptimizationResult.model_validate_json(progress.location)
            return OptimizationProgress(progress.run_id, progress.log, result)
        return OptimizationProgress(progress.run_id, progress.log, reason=progress.reason or "it was canceled")

    async def cancel(self, optimization_id: str) -> None:
        """See ModelOptimizer."""
        await self._builds.cancel(optimization_id)

    async def _optimize(self, request: OptimizationRequest, say: Say) -> Made:
        work = self._folder / request.optimization_id
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
        try:
            return await self._done(request, work, say)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _done(self, request: OptimizationRequest, work: Path, say: Say) -> Made:
        spec = request.spec
        for file in spec.files:
            await _write(work / "model" / file.path, request.read_file(file.sha256))
        sample = work / f"sample{Path(spec.sample_name).suffix}"
        await _write(sample, request.read_file(spec.sample.sha256))
        model = await asyncio.to_thread(recognise, work / "model", spec.source_kind or None)
        built = await environment_of(
            model.kind,
            self._builder,
            framework_version=spec.framework_version or model.framework_version,
            index_url=self._index_url,
            timeout_s=request.timeout_s,
            say=say,
        )
        plan = Plan(
            model,
            sample,
            built,
            work / "out",
            variants=tuple(spec.variants),
            tolerances=spec.tolerances,
            timeout_s=request.timeout_s,
        )
        if self._alone.locked():
            say("waiting: something else is being measured on this machine")
        async with self._alone:
            result = await optimize(plan, say)
        for variant in result.variants:
            if variant.verified and variant.path:
                await request.keep_file(_chunks(work / "out" / variant.path))
        return Made(result.model_dump_json(), 0)


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        async for chunk in chunks:
            await asyncio.to_thread(out.write, chunk)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
