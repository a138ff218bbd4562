"""The next step of a sync: every phase, and everything that may be so."""

from __future__ import annotations

import itertools

import pytest

from shared.controllers.sync_decision import Apply, Begin, Seen, Skip, Supersede, decide
from shared.resources.sync import TERMINAL, TRANSITIONS, SyncPhase, SyncSpec, Trigger

TRIGGERS = list(Trigger)
SEEN = [Seen(*each) for each in itertools.product((None, "a", "b"), (None, "a", "b"), (True, False), (True, False))]


@pytest.mark.parametrize(("phase", "trigger"), list(itertools.product(sorted(set(SyncPhase) - TERMINAL), TRIGGERS)))
def test_every_unfinished_phase_has_a_step_for_whatever_is_so(phase: SyncPhase, trigger: Trigger) -> None:
    for seen, commit in itertools.product(SEEN, (None, "a")):
        spec = SyncSpec(repository="r", trigger=trigger, ref="refs/heads/main", commit=commit)
        step = decide(phase, spec, seen)
        if phase == SyncPhase.PENDING:
            assert step == Begin()
        elif trigger == Trigger.PULL_REQUEST and commit:
            assert step == Apply("a")
        elif seen.is_older and seen.applied:
            assert step == Supersede(seen.applied)
        elif trigger == Trigger.STORAGE and seen.tip and seen.tip == seen.applied:
            assert isinstance(step, Skip)
            assert step.reason == "AppliedAlready"
        elif not seen.is_followed:
            assert isinstance(step, Skip)
            assert step.reason == "NotFollowed"
        elif seen.tip is None:
            assert isinstance(step, Skip)
            assert step.reason == "BranchGone"
        elif trigger == Trigger.PUSH and commit and seen.applied == seen.tip:
            assert step == Supersede("b") if seen.tip == "b" else isinstance(step, Skip)
        else:
            assert step == Apply(seen.tip)  # what the branch is now, whatever was pushed


def test_the_table_has_every_phase_and_ends_are_ends() -> None:
    assert set(TRANSITIONS) == set(SyncPhase)
    for phase in TERMINAL:
        assert TRANSITIONS[phase] <= {SyncPhase.PENDING}
    reachable, left = {SyncPhase.PENDING}, [SyncPhase.PENDING]
    while left:
        for following in TRANSITIONS[left.pop()] - reachable:
            reachable.add(following)
            left.append(following)
    assert reachable == set(SyncPhase)
