"""What to do next with a version of an environment, and with a build: pure, `decide...(what is so) -> next step`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.resources.build import BUILD_TERMINAL, BuildPhase, BuildStatus
from shared.resources.environment_build import TERMINAL, EnvironmentPhase


class Step(StrEnum):
    """What is done with a version next."""

    BEGIN = "Begin"  # it is registered: announce it
    LOCK = "Lock"  # resolve its requirements, and ask for the build of what comes out
    ASK = "Ask"  # the build it waits for is not there: ask for it again
    FOLLOW = "Follow"  # take over what is so of its build
    REST = "Rest"  # there is nothing to do


def decide(phase: EnvironmentPhase, build: BuildPhase | None) -> Step:
    """The next step of a version, by its phase and that of the build of its identity (None: there is none)."""
    if phase in TERMINAL:
        return Step.REST
    if phase == EnvironmentPhase.PENDING:
        return Step.BEGIN
    if phase == EnvironmentPhase.LOCKING:
        return Step.LOCK
    return Step.ASK if build is None else Step.FOLLOW


def phase_of(build: BuildPhase) -> EnvironmentPhase:
    """The phase of a version whose build is in the given one."""
    return EnvironmentPhase(build.value)


class BuildStep(StrEnum):
    """What is done with a build next."""

    BEGIN = "Begin"  # note that it begins
    ADVANCE = "Advance"  # let the builder begin, or look at how far it is
    CANCEL = "Cancel"  # end it, because somebody asked for that
    TIME_OUT = "TimeOut"  # end it, because it took too long
    REST = "Rest"  # there is nothing to do


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """How long a build may take."""

    now: datetime
    timeout_s: float


def decide_build(status: BuildStatus, limits: BuildLimits) -> BuildStep:
    """The next step of a build."""
    if status.phase in BUILD_TERMINAL:
        return BuildStep.REST
    if status.cancel_requested:
        return BuildStep.CANCEL
    if status.phase == BuildPhase.QUEUED:
        return BuildStep.BEGIN
    begun = status.started_at
    if begun is not None and limits.now - begun > timedelta(seconds=limits.timeout_s):
        return BuildStep.TIME_OUT
    return BuildStep.ADVANCE
