"""The controller of builds: lets the builder work on one identity, keeps its log, and says what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shared.controllers.environment_decision import BuildLimits, BuildStep, decide_build
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.ports import BuildProgress, BuildRequest
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.environment_build import (
    BUILD_TRANSITIONS,
    BuildPhase,
    EnvironmentBuildSpec,
    EnvironmentBuildStatus,
    StoredText,
)

LOOK_S = 1.0  # how often a build under way is looked at
TAIL_LINES = 20
MAX_LINE = 500
_ENDED = {"Succeeded": BuildPhase.SUCCEEDED, "Failed": BuildPhase.FAILED, "Canceled": BuildPhase.CANCELED}


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the builder or a store is not available."""
    spec = EnvironmentBuildSpec.model_validate(resource.spec)
    status = EnvironmentBuildStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    timeout_s = deps.settings.environment_build_timeout_s
    match decide_build(status, BuildLimits(deps.clock.now(), timeout_s)):
        case BuildStep.REST:
            return Outcome(status)
        case BuildStep.BEGIN:
            status.phase, status.started_at, status.run_id = BuildPhase.BUILDING, deps.clock.now(), ""
            return Outcome(status, unfinished=True, look_again_after_s=0)
        case BuildStep.CANCEL:
            await deps.environments.cancel(resource.name, status.run_id)
            return _ended(status, BuildPhase.CANCELED, "Canceled", "somebody canceled the build", deps)
        case BuildStep.TIME_OUT:
            await deps.environments.cancel(resource.name, status.run_id)
            return _ended(status, BuildPhase.FAILED, "TimedOut", f"it took longer than {timeout_s:.0f} s", deps)
        case BuildStep.ADVANCE:
            request = BuildRequest(spec.recipe, lambda sha256: deps.artifacts.read(sha256), timeout_s)
            return await _advanced(status, await deps.environments.advance(request, status.run_id), deps)


async def _advanced(status: EnvironmentBuildStatus, progress: BuildProgress, deps: Deps) -> Outcome:
    status.run_id = progress.run_id
    if progress.log:
        stored = await deps.artifacts.put(_chunks(progress.log.encode()))
        status.log = StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes)
        status.log_tail = [line[:MAX_LINE] for line in progress.log.splitlines()[-TAIL_LINES:]]
    phase = _ENDED.get(progress.state)
    if phase is None:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    status.location, status.size_bytes = progress.location, progress.size_bytes
    if phase == BuildPhase.SUCCEEDED:
        return _ended(status, phase, "Built", f"built in {progress.location}", deps)
    return _ended(status, phase, progress.state, progress.reason or f"the builder says {progress.state}", deps)


def _ended(status: EnvironmentBuildStatus, phase: BuildPhase, reason: str, message: str, deps: Deps) -> Outcome:
    now = deps.clock.now()
    status.phase, status.finished_at, status.cancel_requested = phase, now, False
    is_so = ConditionStatus.TRUE if phase == BuildPhase.SUCCEEDED else ConditionStatus.FALSE
    condition = Condition(type="Built", status=is_so, reason=reason, message=message[:2000], last_transition_time=now)
    status.conditions = with_condition(status.conditions, condition)
    return Outcome(status)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


def stalled_phase(phase: str) -> str:
    """Failed, where that may come next."""
    return BuildPhase.FAILED if BuildPhase.FAILED in BUILD_TRANSITIONS[BuildPhase(phase)] else phase


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The build as if nobody had begun it."""
    status = EnvironmentBuildStatus().model_dump(mode="json")
    return resource.model_copy(update={"status": status, "unfinished": True})


def subject(key: ResourceKey) -> str:
    """As in its key."""
    return f"environment-builds/{key.name}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
