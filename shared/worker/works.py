"""Each kind of work, done by the adapters of one machine: a pod is one."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.adapters.local.monitor_runner import LocalMonitorRunner
from shared.adapters.local.profiler import LocalProfiler
from shared.errors import Permanent
from shared.ports import (
    ArtifactStore,
    AssetData,
    BuildRequest,
    CollectedSource,
    DataProfileRequest,
    MonitorRunRequest,
    ProfileRequest,
    WindowSketchRequest,
)
from shared.resources.job_work import (
    AnyWork,
    DataProfileOutcome,
    DataProfileWork,
    MonitorRunOutcome,
    MonitorRunWork,
    ProfileOutcome,
    ProfileWork,
    WindowSketchOutcome,
    WindowSketchWork,
)
from shared.resources.profile import ProfileResult, ProfileState

PAUSE_S = 0.2
Outcome = MonitorRunOutcome | DataProfileOutcome | WindowSketchOutcome | ProfileOutcome


@dataclass(frozen=True, slots=True)
class Tools:
    """What work is done with."""

    artifacts: ArtifactStore
    collected: CollectedSource
    folder: Path  # for everything that is only needed meanwhile
    say: Callable[[str], None]  # prints a line


class Progress(Protocol):
    """What the adapters tell of theirs."""

    @property
    def log(self) -> str:
        """What was printed so far."""
        ...


P = TypeVar("P", bound=Progress)


async def done(work: AnyWork, tools: Tools) -> Outcome:
    """What came of it. Raises Retryable when a service does not answer."""
    if isinstance(work, MonitorRunWork):
        return await _monitor_run(work, tools)
    if isinstance(work, DataProfileWork):
        return await _data_profile(work, tools)
    if isinstance(work, WindowSketchWork):
        return await _window_sketch(work, tools)
    return await _profile(work, tools)


async def _monitor_run(work: MonitorRunWork, tools: Tools) -> MonitorRunOutcome:
    runner = LocalMonitorRunner(tools.folder / "monitor-runs", tools.collected, work.timeout_s)
    request = MonitorRunRequest(
        work.request,
        work.collected,
        {label: AssetData(one.table, one.sketch) for label, one in work.assets.items()},
        tools.artifacts.read,
        frozenset(work.reading_rows),
        windows=work.windows,
    )
    seen = await _followed(lambda: runner.advance(request, ""), lambda seen: bool(seen.result or seen.error), tools.say)
    return MonitorRunOutcome(result=seen.result, error=seen.error, outdated=list(seen.outdated))


async def _data_profile(work: DataProfileWork, tools: Tools) -> DataProfileOutcome:
    runner = LocalMonitorRunner(tools.folder / "monitor-runs", tools.collected, work.timeout_s)
    store = tools.artifacts
    request = DataProfileRequest(work.profile_id, work.label, work.table, store.read, store.put)
    seen = await _followed(lambda: runner.profile(request), lambda seen: bool(seen.stored or seen.error), tools.say)
    if seen.stored is None:
        return DataProfileOutcome(error=seen.error)
    kept = seen.stored
    return DataProfileOutcome(profile=kept.profile, profile_file=kept.profile_file, sketch_file=kept.sketch_file)


async def _window_sketch(work: WindowSketchWork, tools: Tools) -> WindowSketchOutcome:
    runner = LocalMonitorRunner(tools.folder / "monitor-runs", tools.collected, work.timeout_s)
    store, baselines = tools.artifacts, tuple(work.baselines)
    request = WindowSketchRequest(work.sketch_id, work.collection, work.folder, baselines, store.read, store.put)
    seen = await _followed(lambda: runner.sketch(request), lambda seen: bool(seen.outcome or seen.error), tools.say)
    return WindowSketchOutcome(outcome=seen.outcome, error=seen.error)


async def _profile(work: ProfileWork, tools: Tools) -> ProfileOutcome:
    try:
        location = await _environment(work, tools)
    except Permanent as error:
        return ProfileOutcome(result=ProfileResult(state=ProfileState.FAILED, error=str(error)))
    _keep_to(work.cpus)
    profiler = LocalProfiler(tools.folder / "profiles", work.index_url)
    packages, read = tuple(work.packages), tools.artifacts.read
    request = ProfileRequest(work.profile_id, work.spec, location, packages, read, work.timeout_s)
    seen = await _followed(lambda: profiler.advance(request, ""), lambda seen: seen.result is not None, tools.say)
    assert seen.result is not None
    return ProfileOutcome(result=seen.result)


def _keep_to(cpus: float) -> None:
    """Use that many of the node's cores and no more: with all of them a quota would stop every process now and then,
    and the latencies would be its own. Which ones is drawn, so that jobs of a node do not all have the first."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, random.sample(allowed, min(len(allowed), max(1, int(cpus)))))


async def _environment(work: ProfileWork, tools: Tools) -> str:
    """The folder of the environment, made here by the recipe that its image was made by. Raises Permanent where a
    machine cannot have it."""
    builder = LocalEnvironmentBuilder(tools.folder / "environments", work.index_url)
    request = BuildRequest(work.recipe, tools.artifacts.read, work.timeout_s)
    built = await _followed(
        lambda: builder.advance(request, ""), lambda seen: seen.state not in ("Queued", "Running"), tools.say
    )
    if built.state != "Succeeded":
        raise Permanent(f"the environment {work.spec.environment} cannot be made: {built.reason}")
    return built.location


async def _followed(step: Callable[[], Awaitable[P]], has_ended: Callable[[P], bool], say: Callable[[str], None]) -> P:
    """The last of the looks; what is new in its log is said."""
    printed = ""
    while True:
        seen = await step()
        news = seen.log.removeprefix(printed)
        for line in news.splitlines():
            say(line)
        printed = seen.log
        if has_ended(seen):
            return seen
        await asyncio.sleep(PAUSE_S)
