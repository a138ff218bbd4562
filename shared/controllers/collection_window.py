"""The controller of windows of collected data: has each sketched when its time is over, if a monitor compares it."""

from __future__ import annotations

from datetime import timedelta

from shared.controllers.outcome import Deps, Outcome, work_controller
from shared.errors import NotFound, NotSupported
from shared.monitors.window_decision import begun, ended, next_look_s, read, waits_s
from shared.monitors.window_use import baselines_of
from shared.ports import WindowSketchRequest
from shared.resources.base import Cause, Resource
from shared.resources.collection_window import (
    WINDOW_TERMINAL,
    WINDOW_TRANSITIONS,
    CollectionWindowSpec,
    CollectionWindowStatus,
    WindowPhase,
)

TAIL_LINES = 20


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store is not available."""
    spec = CollectionWindowSpec.model_validate(resource.spec)
    status = CollectionWindowStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in WINDOW_TERMINAL:
        return Outcome(status)
    if status.phase is WindowPhase.PENDING:
        return await _waited(spec, status, deps)
    return await _advanced(resource.name, spec, status, deps)


async def _waited(spec: CollectionWindowSpec, status: CollectionWindowStatus, deps: Deps) -> Outcome:
    now = deps.clock.now()
    if left_s := waits_s(status, spec.end, now, timedelta(seconds=deps.settings.collected_settle_s)):
        return Outcome(status, unfinished=True, look_again_after_s=left_s)
    baselines = await baselines_of(spec.collection, deps.store, deps.artifacts, now)
    found = begun(status, baselines, now)
    is_begun = found.phase is WindowPhase.SKETCHING
    return Outcome(found, unfinished=is_begun, look_again_after_s=0 if is_begun else None)


async def _advanced(name: str, spec: CollectionWindowSpec, status: CollectionWindowStatus, deps: Deps) -> Outcome:
    asked = WindowSketchRequest(
        f"{name}-{status.attempt}",
        spec.collection,
        spec.folder,
        tuple(status.baselines),
        deps.artifacts.read,
        deps.artifacts.put,
    )
    now = deps.clock.now()
    try:
        progress = await deps.monitor_runner.sketch(asked)
    except (NotSupported, NotFound) as error:
        return Outcome(ended(status, WindowPhase.FAILED, now, str(error)))
    status.run_id, status.log_tail = progress.run_id, progress.log.splitlines()[-TAIL_LINES:]
    if progress.error:
        return Outcome(ended(status, WindowPhase.FAILED, now, progress.error))
    if progress.outcome is None:
        return Outcome(status, unfinished=True, look_again_after_s=next_look_s(status, now))
    found = read(status, progress.outcome, deps.clock.now())
    waits = found.phase is WindowPhase.PENDING
    return Outcome(found, unfinished=waits, look_again_after_s=deps.settings.collected_settle_s if waits else None)


CONTROLLER = work_controller(
    reconcile, CollectionWindowStatus, WINDOW_TRANSITIONS, WindowPhase.FAILED, "collection-windows"
)
