"""The controller of runs of monitors: lets the runner calculate, keeps what it found, and has people told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from shared.controllers.monitor_alerting import RunAlerting, has_turn, notified
from shared.controllers.monitor_figures import figures_now, with_figures
from shared.controllers.monitor_importance import keep_importances
from shared.controllers.outcome import Deps, Outcome, work_controller
from shared.errors import Invalid, NotFound, NotSupported
from shared.monitors.assets import assets_of
from shared.monitors.planning import plan_run
from shared.monitors.run_claims import learnt_by, windows_seen_by
from shared.monitors.run_plan import RunPlan
from shared.monitors.window_use import windows_of
from shared.packaging.collection_windows import CollectionWindows
from shared.ports import MonitorProgress, MonitorRunRequest, wake
from shared.resources.base import Cause, Resource
from shared.resources.build import StoredText
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_request import MonitorRequest
from shared.resources.monitor_result import MonitorResult
from shared.resources.monitor_run import (
    MONITOR_RUN_TERMINAL,
    MONITOR_RUN_TRANSITIONS,
    MonitorRunPhase,
    MonitorRunSpec,
    MonitorRunStatus,
)

LOOK_S = 1.0
WAIT_S = 60.0  # until a run that waits for another looks again, should nothing wake it
TAIL_LINES = 20


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store is not available."""
    spec, status = MonitorRunSpec.model_validate(resource.spec), MonitorRunStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in MONITOR_RUN_TERMINAL:
        return await notified(spec, status, deps)
    if status.cancel_requested:
        await deps.monitor_runner.cancel(resource.name)
        wakes = bool(spec.then)
        ended = _ended(status, MonitorRunPhase.CANCELED, deps)
        return Outcome(ended, unfinished=wakes, look_again_after_s=0 if wakes else None)
    if status.phase == MonitorRunPhase.PENDING:
        if not await has_turn(spec, deps):
            return Outcome(status, unfinished=True, look_again_after_s=WAIT_S)
        status.phase, status.started_at = MonitorRunPhase.RUNNING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    alerts = RunAlerting(resource, spec, deps, cause)
    try:
        declared = MonitorDeclaration.model_validate(spec.declaration)
        plan = plan_run(declared, spec.monitor, resource.name, spec.due_at)
        status.figures = status.figures or await figures_now(plan, spec, deps)
        progress = await _advance(plan, status, deps)
    except (NotSupported, NotFound, Invalid) as error:
        return await alerts.told(_ended(status, MonitorRunPhase.FAILED, deps, str(error)), None, ())
    status.run_id, status.log_tail = progress.run_id, progress.log.splitlines()[-TAIL_LINES:]
    if progress.error:
        return await alerts.told(_ended(status, MonitorRunPhase.FAILED, deps, progress.error), None, plan.alerting)
    if progress.result is None:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    await _sketch_again(windows_seen_by(plan, progress.outdated), deps, cause)
    await keep_importances(learnt_by(plan, progress.result), deps, cause)
    result = await with_figures(plan, progress.result, resource, status.figures, deps)
    stored = await deps.artifacts.put(_once(result.model_dump_json().encode()))
    status.result, status.verdict = StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes), result.verdict
    return await alerts.told(_ended(status, MonitorRunPhase.SUCCEEDED, deps), result, plan.alerting)


async def _advance(plan: RunPlan, status: MonitorRunStatus, deps: Deps) -> MonitorProgress:
    if not plan.request.signals:  # no data are read
        return MonitorProgress("", result=_empty(plan.request))
    assets = await assets_of(plan, deps.store, deps.artifacts)
    if assets.awaited:
        return MonitorProgress("", f"{assets.awaited} is not ready yet")
    windows = {} if status.run_id else await windows_of(plan, assets, deps.store)  # one begun anew reads rows
    asked = MonitorRunRequest(
        plan.request,
        plan.collected,
        assets.given,
        deps.artifacts.read,
        frozenset(assets.reading_rows),
        assets.components,
        windows,
    )
    return await deps.monitor_runner.advance(asked, status.run_id)


async def _sketch_again(outdated: Sequence[tuple[str, str]], deps: Deps, cause: Cause) -> None:
    """Blob Storage tells of a blob when it is made, and not when something is appended: the run saw it."""
    windows = CollectionWindows(deps.store, deps.committer, deps.clock, deps.settings)
    for collection, folder in outdated:
        key = await windows.note(collection, folder, deps.clock.now(), cause)
        if key is not None:
            await wake(deps.queue, key)


def _empty(request: MonitorRequest) -> MonitorResult:
    return MonitorResult(
        monitor=request.monitor, run_id=request.run_id, created_at=request.created_at, endpoint=request.endpoint
    )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _ended(status: MonitorRunStatus, phase: MonitorRunPhase, deps: Deps, error: str = "") -> MonitorRunStatus:
    status.phase, status.finished_at, status.error = phase, deps.clock.now(), error
    return status


CONTROLLER = work_controller(
    reconcile, MonitorRunStatus, MONITOR_RUN_TRANSITIONS, MonitorRunPhase.FAILED, "monitor-runs"
)
