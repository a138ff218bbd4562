"""What the controllers of builds share: keeping a builder's log, and saying how a build ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from shared.controllers.outcome import Deps
from shared.ports import BuildProgress
from shared.resources.base import Condition, ConditionStatus, with_condition
from shared.resources.build import BUILD_TRANSITIONS, BuildPhase, BuildStatus, StoredText

LOOK_S = 1.0  # how often a build under way is looked at
TAIL_LINES = 20
MAX_LINE = 500
_ENDED = {"Succeeded": BuildPhase.SUCCEEDED, "Failed": BuildPhase.FAILED, "Canceled": BuildPhase.CANCELED}

S = TypeVar("S", bound=BuildStatus)


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
