"""Every phase of a version and of a build, with whatever may be so of the rest."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from shared.controllers.environment_decision import BuildLimits, BuildStep, Step, decide, decide_build, phase_of
from shared.resources.build import BUILD_TERMINAL, BUILD_TRANSITIONS, BuildPhase, BuildStatus
from shared.resources.environment_build import TERMINAL, TRANSITIONS, EnvironmentPhase

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("phase", "build"), list(itertools.product(EnvironmentPhase, [None, *BuildPhase])))
def test_every_phase_of_a_version_has_its_step(phase: EnvironmentPhase, build: BuildPhase | None) -> None:
    step = decide(phase, build)
    if phase in TERMINAL:
        assert step == Step.REST
    elif phase == EnvironmentPhase.PENDING:
        assert step == Step.BEGIN
    elif phase == EnvironmentPhase.LOCKING:
        assert step == Step.LOCK
    elif build is None:
        assert step == Step.ASK
    else:
        assert step == Step.FOLLOW
        assert phase_of(build) == phase or phase_of(build) in TRANSITIONS[phase]


@pytest.mark.parametrize(
    ("phase", "cancel", "took_s"), list(itertools.product(BuildPhase, (False, True), (None, 59.0, 61.0)))
)
def test_every_phase_of_a_build_has_its_step(phase: BuildPhase, cancel: bool, took_s: float | None) -> None:
    begun = None if took_s is None else NOW - timedelta(seconds=took_s)
    status = BuildStatus(phase=phase, cancel_requested=cancel, started_at=begun)
    step = decide_build(status, BuildLimits(NOW, 60))
    if phase in BUILD_TERMINAL:
        assert step == BuildStep.REST
    elif cancel:
        assert step == BuildStep.CANCEL
        assert BuildPhase.CANCELED in BUILD_TRANSITIONS[phase]
    elif phase == BuildPhase.QUEUED:
        assert step == BuildStep.BEGIN
    else:
        assert step == (BuildStep.TIME_OUT if took_s == 61 else BuildStep.ADVANCE)
