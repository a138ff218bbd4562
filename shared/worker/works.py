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
from shared.adapters.local.optimizer import LocalOptimizer
from shared.adapters.local.profiler import LocalProfiler
from shared.errors import Permanent
from shared.monitors.assets import data_sets
from shared.ports import (
    AssetData,
    BuildRequest,
    CollectedSource,
    ComponentRun,
    DataProfileRequest,
    KeepFile,
    MonitorRunRequest,
    OptimizationRequest,
    ProfileRequest,
    ReadFile,
    WindowSketchRequest,
)
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.job_work import (
    AnyWork,
    ComponentWork,
    DataProfileOutcome,
    DataProfileWork,
    MonitorRunOutcome,
    MonitorRunWork,
    OptimizationOutcome,
    OptimizationWork,
    ProfileOutcome,
    ProfileWork,
    WindowSketchOutcome,
    WindowSketchWork,
)
from shared.resources.profile import ProfileResult, ProfileState
from shared.worker.outcomes import Outcome

PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Tools:
    """What work is done with."""

    read: ReadFile
    keep: KeepFile
    collected: CollectedSource  # what deployments collected
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
    if isinstance(work, OptimizationWork):
        return await _optimization(work, tools)
    return await _profile(work, tools)


async def fetch_collected(work: AnyWork, collected: CollectedSource, folder: Path, say: Callable[[str], None]) -> None:
    """Put what a run of a monitor reads of collected data into the folder; nothing for another work."""
    if not isinstance(work, MonitorRunWork):
        return
    for signal in work.request.signals:
        for data in data_sets(signal):
            if data.label in work.collected and data.window_start and data.window_end:
                collection = work.collected[data.label]
                files = await collected.files(collection, data.window_start, data.window_end)
                say(f"{data.label}: {len(await collected.fetch(collection, files, folder))} files fetched")


async def _monitor_run(work: MonitorRunWork, tools: Tools) -> MonitorRunOutcome:
    runner = LocalMonitorRunner(tools.folder / "monitor-runs", tools.collected, work.timeout_s)
    request = MonitorRunRequest(
        work.request,
        work.collected,
        {label: AssetData(one.table, one.sketch) for label, one in work.assets.items()},
        tools.read,
        frozenset(work.reading_rows),
        await _components(work, tools),
        {} if work.runs_others_code else work.windows,  # files that were fetched before have other ETags
    )
    seen = await _followed(lambda: runner.advance(request, ""), lambda seen: bool(seen.result or seen.error), tools.say)
    return MonitorRunOutcome(result=seen.result, error=seen.error, outdated=list(seen.outdated))


async def _components(work: MonitorRunWork, tools: Tools) -> dict[str, ComponentRun]:
    """Each with its environment. A signal whose environment cannot be made is told to be unavailable."""
    found = {}
    for signal in work.request.signals:
        if (component := work.components.get(signal.name)) is None:
            continue
        try:
            location = await _environment(component.recipe, work.index_url, work.timeout_s, tools)
        except Permanent as error:
            signal.unavailable, signal.inputs = f"its environment cannot be made: {error}", {}
            continue
        found[signal.name] = _component(component, location)
    return found


def _component(work: ComponentWork, environment: str) -> ComponentRun:
    return ComponentRun(
        work.command, work.values, frozenset(work.folders), work.variables, tuple(work.files), work.code, environment
    )


async def _data_profile(work: DataProfileWork, tools: Tools) -> DataProfileOutcome:
    runner = LocalMonitorRunner(tools.folder / "monitor-runs", tools.collected, work.timeout_s)
    request = DataProfileRequest(work.profile_id, work.label, work.table, tools.read, tools.keep)
    seen = await _followed(lambda: runner.profile(request), lambda seen: bool(seen.stored or seen.error), tools.say)
    if seen.stored is None:
        return DataProfileOutcome(error=seen.error)
    kept = seen.stored
    return DataProfileOutcome(profile=kept.profile, profile_file=kept.profile_file, sketch_file=kept.sketch_file)


async def _window_sketch(work: WindowSketchWork, tools: Tools) -> WindowSketchOutcome:
    runner = LocalMonitorRunner(tools.folder / "monitor-runs", tools.collected, work.timeout_s)
    baselines = tuple(work.baselines)
    request = WindowSketchRequest(work.sketch_id, work.collection, work.folder, baselines, tools.read, tools.keep)
    seen = await _followed(lambda: runner.sketch(request), lambda seen: bool(seen.outcome or seen.error), tools.say)
    return WindowSketchOutcome(outcome=seen.outcome, error=seen.error)


async def _optimization(work: OptimizationWork, tools: Tools) -> OptimizationOutcome:
    builder = LocalEnvironmentBuilder(tools.folder / "environments", work.index_url)
    optimizer = LocalOptimizer(tools.folder / "optimizations", builder, work.index_url)
    request = OptimizationRequest(work.optimization_id, work.spec, tools.read, tools.keep, work.timeout_s)
    seen = await _followed(
        lambda: optimizer.advance(request, ""), lambda seen: bool(seen.result or seen.reason), tools.say
    )
    return OptimizationOutcome(result=seen.result, reason=seen.reason)


async def _profile(work: ProfileWork, tools: Tools) -> ProfileOutcome:
    try:
        location = await _environment(work.recipe, work.index_url, work.timeout_s, tools)
    except Permanent as error:
        reason = f"the environment {work.spec.environment} cannot be made: {error}"
        return ProfileOutcome(result=ProfileResult(state=ProfileState.FAILED, error=reason))
    _keep_to(work.cpus)
    profiler = LocalProfiler(tools.folder / "profiles", work.index_url, prices=_prices(work, tools))
    packages = tuple(work.packages)
    request = ProfileRequest(work.profile_id, work.spec, location, packages, tools.read, work.timeout_s)
    seen = await _followed(lambda: profiler.advance(request, ""), lambda seen: seen.result is not None, tools.say)
    assert seen.result is not None
    return ProfileOutcome(result=seen.result)


def _prices(work: ProfileWork, tools: Tools) -> str:
    """The file of the installation's own table; "" for none."""
    if not work.prices:
        return ""
    path = tools.folder / "prices.json"
    path.write_text(work.prices)
    return str(path)


def _keep_to(cpus: float) -> None:
    """Use that many of the node's cores and no more: with all of them a quota would stop every process now and then,
    and the latencies would be its own. Which ones is drawn, so that jobs of a node do not all have the first."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, random.sample(allowed, min(len(allowed), max(1, int(cpus)))))


async def _environment(recipe: EnvironmentRecipe, index_url: str, timeout_s: float, tools: Tools) -> str:
    """The folder of the environment, made here by the recipe that its image was made by. Raises Permanent where a
    machine cannot have it."""
    builder = LocalEnvironmentBuilder(tools.folder / "environments", index_url)
    request = BuildRequest(recipe, tools.read, timeout_s)
    built = await _followed(
        lambda: builder.advance(request, ""), lambda seen: seen.state not in ("Queued", "Running"), tools.say
    )
    if built.state != "Succeeded":
        raise Permanent(built.reason or "its build was ended")
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
