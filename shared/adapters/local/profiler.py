"""Profiles on this machine: the packaged scoring server in its locked environment, under real limits."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.job_following import WORKER_ENVIRON, followed
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.profile_worker import REQUEST, RESULT
from shared.errors import Invalid, Permanent
from shared.packaging.server_packages import server_path
from shared.ports import JobReason, JobSpec, ProfileProgress, ProfileRequest
from shared.resources.profile import ProfileResult, ProfileState

WORKER = "shared.adapters.local.profile_worker"
ENDS_WITHIN_S = 30.0  # how long a worker that is asked to end may take to end its servers


class LocalProfiler:
    """A ModelProfiler. `folder` holds what is profiled while that lasts; `alone` is held while something is measured:
    two at once would measure each other. `prices` is the file of a table of prices; "" takes the packaged one."""

    def __init__(
        self, folder: Path, index_url: str = "", *, prices: str = "", alone: asyncio.Lock | None = None
    ) -> None:
        self._prices = prices
        self._alone = alone or asyncio.Lock()
        self._folder = folder.resolve()
        self._index_url = index_url
        self._builds = LocalBuilds(self._folder)
        self._jobs = LocalJobRunner(self._folder / "jobs")

    async def advance(self, request: ProfileRequest, run_id: str) -> ProfileProgress:
        """See ModelProfiler."""
        progress = await self._builds.look(request.profile_id, lambda say: self._profile(request, say))
        if progress.state == "Running":
            return ProfileProgress(progress.run_id, progress.log)
        if progress.state == "Succeeded":
            result = ProfileResult.model_validate_json(progress.location)
        else:
            state = ProfileState.CANCELLED if progress.state == "Canceled" else ProfileState.FAILED
            result = ProfileResult(state=state, error=progress.reason or None)
        return ProfileProgress(progress.run_id, progress.log, result)

    async def cancel(self, profile_id: str) -> None:
        """See ModelProfiler."""
        await self._builds.cancel(profile_id)
        await self._jobs.remove(profile_id)  # of a control plane that was killed
        shutil.rmtree(self._folder / profile_id, ignore_errors=True)

    async def _profile(self, request: ProfileRequest, say: Say) -> Made:
        work = self._folder / request.profile_id
        try:
            if not (work / REQUEST).exists():
                await self._prepare(request, work, say)
            if self._alone.locked():
                say("waiting: something else is being measured on this machine")
            async with self._alone:
                await self._work(work, say, request.timeout_s)
            text = (work / RESULT).read_text()
        except FileNotFoundError as error:
            raise Permanent("the profile ended without a result; see its log") from error
        shutil.rmtree(work, ignore_errors=True)
        return Made(text, 0)

    async def _prepare(self, request: ProfileRequest, work: Path, say: Say) -> None:
        spec, environment = request.spec, Path(request.environment_location)
        if not (environment / "bin" / "python").exists():
            raise Invalid(f"the environment {spec.environment} is not on this machine", remedy="build it again")
        shutil.rmtree(work, ignore_errors=True)
        for file in spec.files:
            await _write(work / "model" / file.path, request.read_file(file.sha256))
        sample = work / f"sample{Path(spec.sample_name).suffix}"
        await _write(sample, request.read_file(spec.sample.sha256))
        path = await server_path(self._folder, environment, request.packages, index_url=self._index_url)
        document = {
            "model": str(work / "model"),
            "sample": str(sample),
            "target_rps": spec.target_rps,
            "p99_ms": spec.p99_ms,
            "entry_script": str(work / "model" / spec.entry_script) if spec.entry_script else None,
            "python": str(environment / "bin" / "python"),
            "environ": {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            "max_memory_gb": spec.max_memory_gb,
            "total_timeout_s": request.timeout_s,
        }
        say(f"prepared {len(spec.files)} files of {spec.model_name}:{spec.model_version}")
        (work / REQUEST).write_text(json.dumps(document))

    async def _work(self, work: Path, say: Say, timeout_s: float) -> None:
        prices = [str(Path(self._prices).resolve())] if self._prices else []
        command = (sys.executable, "-m", WORKER, str(work), *prices)
        limit_s, ending_s = timeout_s + ENDS_WITHIN_S, ENDS_WITHIN_S  # in which it ends its servers
        spec = JobSpec(work.name, command, environ=WORKER_ENVIRON, timeout_s=limit_s, stop_timeout_s=ending_s)
        ended = await followed(self._jobs, spec, say)
        if ended.reason is JobReason.DEADLINE_EXCEEDED:
            raise Permanent(f"the profile did not end within {timeout_s:.0f} s")


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        async for chunk in chunks:
            await asyncio.to_thread(out.write, chunk)
