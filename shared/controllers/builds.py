"""What the controllers of builds share: keeping a builder's log, and saying how a build ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from shared.controllers.environment_decision import BuildLimits, BuildStep, decide_build
from shared.controllers.outcome import Deps, Outcome
from shared.ports import BuildProgress
from shared.resources.base import Condition, ConditionStatus, Resource, with_condition
from shared.resources.build import BUILD_TERMINAL, BUILD_TRANSITIONS, BuildPhase, BuildStatus, StoredText

LOOK_S = 1.0  # how often a build under way is looked at
TAIL_LINES = 20
MAX_LINE = 500
_ENDED = {"Succeeded": BuildPhase.SUCCEEDED, "Failed": BuildPhase.FAILED, "Canceled": BuildPhase.CANCELED}

S = TypeVar("S", bound=BuildStatus)


class Cancels(Protocol):
    """A builder, as far as a build is ended by it."""

    async def cancel(self, identity: str, run_id: str) -> None:
        """End the run."""
        ...


async def take_step(
    resource: Resource,
    status: BuildStatus,
    deps: Deps,
    builder: Cancels,
    timeout_s: float,
    advance: Callable[[str], Awaitable[BuildProgress]],
) -> Outcome:
    """One step of a build, without events; `advance` lets its builder work on the run of this name. Raises Retryable
    when the builder or a store is not available."""
    status.observed_generation = resource.generation
    match decide_build(status, BuildLimits(deps.clock.now(), timeout_s)):
        case BuildStep.REST:
            return Outcome(status)
        case BuildStep.BEGIN:
            status.phase, status.started_at, status.run_id = BuildPhase.BUILDING, deps.clock.now(), ""
            return Outcome(status, unfinished=True, look_again_after_s=0)
        case BuildStep.CANCEL:
            await builder.cancel(resource.name, status.run_id)
            return Outcome(ended(status, BuildPhase.CANCELED, "Canceled", "somebody canceled the build", deps))
        case BuildStep.TIME_OUT:
            await builder.cancel(resource.name, status.run_id)
            return Outcome(ended(status, BuildPhase.FAILED, "TimedOut", f"it took longer than {timeout_s:.0f} s", deps))
        case BuildStep.ADVANCE:
            status = await with_progress(status, await advance(status.run_id), deps)
            under_way = status.phase not in BUILD_TERMINAL
            return Outcome(status, unfinished=under_way, look_again_after_s=LOOK_S if under_way else None)


async def with_progress(status: S, progress: BuildProgress, deps: Deps) -> S:
    """The status with what the builder said; its log is kept."""
    status.run_id = progress.run_id
    if progress.log:
        stored = await deps.artifacts.put(_chunks(progress.log.encode()))
        status.log = StoredText(sha256=stored.sha256, size_bytes=stored.size_bytes)
        status.log_tail = [line[:MAX_LINE] for line in progress.log.splitlines()[-TAIL_LINES:]]
    phase = _ENDED.get(progress.state)
    if phase is None:
        return status
    status.location, status.size_bytes = progress.location, progress.size_bytes
    if phase == BuildPhase.SUCCEEDED:
        return ended(status, phase, "Built", f"built in {progress.location}", deps)
    return ended(status, phase, progress.state, progress.reason or f"the builder says {progress.state}", deps)


def ended(status: S, phase: BuildPhase, reason: str, message: str, deps: Deps) -> S:
    """The status of a build that has ended."""
    now = deps.clock.now()
    status.phase, status.finished_at, status.cancel_requested = phase, now, False
    is_so = ConditionStatus.TRUE if phase == BuildPhase.SUCCEEDED else ConditionStatus.FALSE
    condition = Condition(type="Built", status=is_so, reason=reason, message=message[:2000], last_transition_time=now)
    status.conditions = with_condition(status.conditions, condition)
    return status


def stalled_phase(phase: str) -> str:
    """Failed, where that may come next."""
    return BuildPhase.FAILED if BuildPhase.FAILED in BUILD_TRANSITIONS[BuildPhase(phase)] else phase


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data
