"""The controller of runs of monitors: lets the runner calculate, keeps what it found, and announces breaches."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.controllers.outcome import Deps, Outcome, work_controller
from shared.errors import Invalid, NotFound, NotSupported
from shared.monitors.alerting import Announcement, decide_all
from shared.monitors.assets import assets_of
from shared.monitors.breach_events import breach_events
from shared.monitors.planning import plan_run
from shared.monitors.run_plan import RunPlan
from shared.ports import MonitorProgress, MonitorRunRequest, ResourceQuery
from shared.resources.alerts import AlertPolicy, AlertState
from shared.resources.base import Cause, Resource
from shared.resources.build import StoredText
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_result import MonitorResult
from shared.resources.monitor_run import (
    KIND,
    MONITOR_RUN_TERMINAL,
    MONITOR_RUN_TRANSITIONS,
    MonitorRunPhase,
    MonitorRunSpec,
    MonitorRunStatus,
)
from shared.resources.search import field_term

LOOK_S = 1.0
TAIL_LINES = 20
PAGE = 200
_ANNOUNCED = frozenset({Announcement.RAISED, Announcement.ESCALATED, Announcement.REPEATED})


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store is not available."""
    spec, status = MonitorRunSpec.model_validate(resource.spec), MonitorRunStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in MONITOR_RUN_TERMINAL:
        return Outcome(status)
    if status.cancel_requested:
        await deps.monitor_runner.cancel(resource.name)
        return _ended(status, MonitorRunPhase.CANCELED, deps)
    if status.phase == MonitorRunPhase.PENDING:
        status.phase, status.started_at = MonitorRunPhase.RUNNING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    try:
        declared = MonitorDeclaration.model_validate(spec.declaration)
        plan = plan_run(declared, spec.monitor, resource.name, spec.due_at)
        progress = await _advance(plan, status, deps)
    except (NotSupported, NotFound, Invalid) as error:
        return _ended(status, MonitorRunPhase.FAILED, deps, str(error))
    status.run_id, status.log_tail = progress.run_id, progress.log.splitlines()[-TAIL_LINES:]
    if progress.error:
        return _ended(status, MonitorRunPhase.FAILED, deps, progress.error)
    if progress.result is None:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    return await _found(plan, resource, status, progress.result, deps)


async def _advance(plan: RunPlan, status: MonitorRunStatus, deps: Deps) -> MonitorProgress:
    assets = await assets_of(plan, deps.store, deps.artifacts)
    if assets.awaited:
        return MonitorProgress("", f"{assets.awaited} is not ready yet")
    asked = MonitorRunRequest(
        plan.request,
        plan.collected,
        assets.given,
        deps.artifacts.read,
        frozenset(assets.reading_rows),
        assets.components,
    )
    return await deps.monitor_runner.advance(asked, status.run_id)


async def _found(
    plan: RunPlan, resource: Resource, status: MonitorRunStatus, result: MonitorResult, deps: Deps
) -> Outcome:
    stored = await deps.artifacts.put(_once(result.model_dump_json().encode()))
    status.result, status.verdict = StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes), result.verdict
    before = await _alerts_before(resource, result.monitor, deps)
    decided = decide_all(before, result, plan.alerting, deps.clock.now(), AlertPolicy())
    status.alerts = {name: one.state for name, one in decided.items()}
    announced = {name for name, one in decided.items() if one.announcement in _ANNOUNCED}
    ended = _ended(status, MonitorRunPhase.SUCCEEDED, deps)
    return Outcome(ended.status, breach_events(result, announced))


async def _alerts_before(resource: Resource, monitor: str, deps: Deps) -> dict[str, AlertState]:
    """What the monitor's last run that found something remembers; {} for none."""
    after: str | None = None
    while True:
        page = await deps.store.list_resources(
            ResourceQuery(
                KIND,
                terms=(field_term("monitor", monitor),),
                sort="created",
                descending=True,
                limit=PAGE,
                after=after,
            )
        )
        for one in page.items:
            if one.name != resource.name and one.status.get("result"):
                return MonitorRunStatus.model_validate(one.status).alerts
        if (after := page.continuation) is None:
            return {}


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _ended(status: MonitorRunStatus, phase: MonitorRunPhase, deps: Deps, error: str = "") -> Outcome:
    status.phase, status.finished_at, status.error = phase, deps.clock.now(), error
    return Outcome(status)


CONTROLLER = work_controller(
    reconcile, MonitorRunStatus, MONITOR_RUN_TRANSITIONS, MonitorRunPhase.FAILED, "monitor-runs"
)
