"""Every phase meets every trigger; and whatever happens, traffic stays whole and the rollout ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.resources.rollout import TERMINAL, ArmCounters, RolloutPhase, RolloutRequest, RolloutSpec, RolloutStatus
from shared.rollout.machine import RolloutState, SetTraffic, decide
from shared.rollout.observation import Arm, Observation
from shared.rollout.strategy import Split, split_of, steps_of
from shared.rollout.transitions import ALLOWED_REQUESTS, TRANSITIONS, Trigger
from tests.unit.rollout.world import BEGAN, CANARY, CHECKS, Behaviour, World, spec_of

NOW = BEGAN + timedelta(hours=1)
TWO_STEPS: dict[str, Any] = {
    "type": "canary",
    "steps": [{"weight_percent": 10, "duration_s": 60}, {"weight_percent": 50, "duration_s": 60}],
}
NEVER_ENOUGH = {"metric": "success_rate", "at_least": 0.9, "min_samples": 10**9}


class Situation:
    """A phase in which nothing fires, to be changed by a stimulus."""

    def __init__(self, phase: RolloutPhase) -> None:
        self.strategy, self.checks, self.step = TWO_STEPS, [], 0
        self.fields: dict[str, Any] = {"phase": phase, "started_at": BEGAN, "phase_since": NOW, "share_percent": 100}
        in_step = phase in (RolloutPhase.PROGRESSING, RolloutPhase.PAUSED, RolloutPhase.AWAITING_APPROVAL)
        if in_step:
            self.fields |= {"settled_at": NOW - timedelta(seconds=5)}
            self.fields |= {"stable_before": ArmCounters(), "candidate_before": ArmCounters()}
        self.candidate = Arm(phase is not RolloutPhase.PENDING)
        self.split = Split(100, 0, 0) if phase is RolloutPhase.PENDING else Split(90, 10, 0)

    def settled(self, seconds: float) -> None:
        if "settled_at" in self.fields:
            self.fields["settled_at"] = NOW - timedelta(seconds=seconds)

    def last_step(self) -> None:
        self.step = 1
        if "settled_at" in self.fields:
            self.split = Split(50, 50, 0)

    def decide(self) -> RolloutPhase:
        status = RolloutStatus(**self.fields, step=self.step)
        seen = Observation(self.split, Arm(True), self.candidate)
        return decide(RolloutState(spec_of(self.strategy, self.checks), status), seen, NOW).next.phase


def _over(it: Situation) -> None:
    it.settled(61)


def _all_over(it: Situation) -> None:
    it.settled(61)
    it.last_step()


def _gate(it: Situation) -> None:
    it.settled(61)
    it.strategy = {"type": "canary", "steps": [{"weight_percent": 10, "duration_s": 60, "approval": True}]}


def _approve_last(it: Situation) -> None:
    it.last_step()
    it.fields["request"] = RolloutRequest.APPROVE


def _undecided(it: Situation) -> None:
    it.settled(661)
    it.checks = [NEVER_ENOUGH]


def _traffic_set(it: Situation) -> None:
    it.split = Split(0, 100, 0) if it.fields["phase"] is RolloutPhase.PROMOTING else Split(100, 0, 0)


def _traffic_set_back(it: Situation) -> None:
    it.split = Split(100, 0, 0)
    it.fields["aborted"] = True


def _asked(request: RolloutRequest) -> Callable[[Situation], None]:
    return lambda it: it.fields.update(request=request)


STIMULI: dict[Trigger, Callable[[Situation], None]] = {
    Trigger.READY: lambda it: setattr(it, "candidate", Arm(True)),
    Trigger.STEP_DONE: _over,
    Trigger.STEPS_DONE: _all_over,
    Trigger.GATE: _gate,
    Trigger.APPROVED_STEP: _asked(RolloutRequest.APPROVE),
    Trigger.APPROVED_LAST: _approve_last,
    Trigger.INCONCLUSIVE: _undecided,
    Trigger.PAUSE: _asked(RolloutRequest.PAUSE),
    Trigger.RESUME: _asked(RolloutRequest.RESUME),
    Trigger.ABORT: _asked(RolloutRequest.ABORT),
    Trigger.UNHEALTHY: lambda it: setattr(it, "candidate", replace(it.candidate, failure="exit code 3")),
    Trigger.TRAFFIC_SET: _traffic_set,
    Trigger.TRAFFIC_SET_ABORTED: _traffic_set_back,
    Trigger.IMPOSSIBLE: lambda it: it.fields.update(share_percent=0),
}


@pytest.mark.parametrize(("phase", "trigger"), list(product(RolloutPhase, Trigger)))
def test_every_phase_meets_every_trigger(phase: RolloutPhase, trigger: Trigger) -> None:
    before = Situation(phase)
    assert before.decide() is phase, "something fires without the stimulus"
    STIMULI[trigger](before)
    assert before.decide() is TRANSITIONS.get((phase, trigger), phase)


def test_the_table_reaches_every_phase_and_leaves_no_end() -> None:
    assert {phase for phase, _ in TRANSITIONS} == set(RolloutPhase) - TERMINAL
    assert set(TRANSITIONS.values()) == set(RolloutPhase) - {RolloutPhase.PENDING}
    triggers = {RolloutRequest.PAUSE: Trigger.PAUSE, RolloutRequest.RESUME: Trigger.RESUME}
    triggers |= {RolloutRequest.APPROVE: Trigger.APPROVED_STEP, RolloutRequest.ABORT: Trigger.ABORT}
    for request, phases in ALLOWED_REQUESTS.items():
        assert phases == {phase for phase, trigger in TRANSITIONS if trigger is triggers[request]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"unready_since": NOW - timedelta(seconds=31)}, "CandidateNotReady"),
        ({"started_at": NOW - timedelta(days=8)}, "TookTooLong"),
        ({"settled_at": None, "phase_since": NOW - timedelta(seconds=601)}, "TrafficNotSet"),
    ],
)
def test_what_takes_too_long_goes_back_with_its_reason(change: dict[str, Any], reason: str) -> None:
    it = Situation(RolloutPhase.PROGRESSING)
    it.fields |= change
    late = reason == "TrafficNotSet"
    candidate = Arm(reason != "CandidateNotReady")
    seen = Observation(Split(100, 0, 0) if late else it.split, Arm(True), candidate)
    after = decide(RolloutState(spec_of(TWO_STEPS, []), RolloutStatus(**it.fields)), seen, NOW).next
    assert (after.phase, after.reason) == (RolloutPhase.ROLLING_BACK, reason)


def test_a_share_of_an_endpoint_is_shifted_and_others_keep_theirs() -> None:
    spec = spec_of(TWO_STEPS, [])
    first = decide(RolloutState(spec, RolloutStatus()), Observation(Split(60, 0, 0), Arm(True), Arm(True)), NOW)
    assert first.next.share_percent == 60
    assert first.commands == (SetTraffic(Split(54, 6, 0)),)


def test_a_paused_rollout_goes_on_where_it_was() -> None:
    world = World(spec_of(CANARY, CHECKS), Behaviour(), seed=5)
    world.run(3)
    world.ask(RolloutRequest.PAUSE)
    assert world.run(100) is RolloutPhase.PAUSED
    assert world.split == Split(90, 10, 0)
    world.ask(RolloutRequest.RESUME)
    assert world.run() is RolloutPhase.SUCCEEDED


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("kept", [False, True], ids=["state lost", "commands lost"])
def test_a_controller_killed_at_any_moment_comes_to_the_same_end(bad: bool, kept: bool) -> None:
    spec = spec_of(CANARY, CHECKS)
    behaviour = Behaviour(error_share=0.05 if bad else 0.002)
    undisturbed = World(spec, behaviour, seed=11)
    looks, end = 0, RolloutPhase.PENDING
    while end not in TERMINAL:
        end, looks = undisturbed.run(1), looks + 1
    for killed_at in range(looks):
        world = World(spec, behaviour, seed=11)
        world.run(killed_at)
        decision = world.look()
        if kept:
            world.status = decision.next
        else:
            for command in decision.commands:
                world.carry_out(command)
        assert world.run() is end, killed_at
        assert world.split == undisturbed.split


WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=4)
STEPS = WEIGHTS.map(lambda weights: [{"weight_percent": each, "duration_s": 60} for each in weights])
STRATEGIES = st.one_of(
    st.builds(lambda steps: {"type": "canary", "steps": steps}, STEPS),
    st.just({"type": "blue_green", "preview_s": 30, "preview_mirror_percent": 10, "approval": True}),
    st.just({"type": "shadow", "mirror_percent": 50, "duration_s": 60}),
    st.just({"type": "ab_test", "duration_s": 60, "sticky_header": "x", "min_samples": 50, "auto_promote": True}),
    st.just({"type": "ramp", "shape": "exponential", "first_percent": 1, "step_count": 5, "interval_s": 60}),
)
LOOKS = st.lists(
    st.fixed_dictionaries(
        {
            "seconds": st.sampled_from([0.0, 1.0, 61.0, 700.0]),
            "ready": st.booleans(),
            "failure": st.sampled_from(["", "", "", "crashed"]),
            "exists": st.sampled_from([True, True, True, False]),
            "request": st.sampled_from([None, None, *RolloutRequest]),
            "requests": st.integers(0, 500),
            "errors": st.integers(0, 50),
            "obeyed": st.booleans(),
        }
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None)
@given(STRATEGIES, LOOKS, st.integers(0, 100))
def test_traffic_is_never_lost_nor_above_100_and_it_always_ends(
    strategy: dict[str, Any], looks: list[dict[str, Any]], share: int
) -> None:
    spec = spec_of(strategy, CHECKS, max_duration_s=3600)
    status, split, now = RolloutStatus(), Split(share, 0, 0), BEGAN
    counters = ArmCounters()
    for look in looks:
        counters = ArmCounters(requests=counters.requests + look["requests"], errors=counters.errors + look["errors"])
        now += timedelta(seconds=look["seconds"])
        status = status.model_copy(update={"request": look["request"]})
        candidate = Arm(look["ready"], counters, look["failure"], look["exists"])
        status, split = _looked(spec, status, Observation(split, Arm(True, counters), candidate), now, look["obeyed"])
    ends_at = BEGAN + timedelta(seconds=spec.max_duration_s + 2 * spec.progress_deadline_s) + (now - BEGAN)
    while status.phase not in TERMINAL:
        assert now < ends_at, status
        now += timedelta(seconds=50)
        status, split = _looked(spec, status, Observation(split, Arm(True), Arm(True)), now, obeyed=True)
    if status.phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED):
        assert split == Split(share, 0, 0)


def _looked(
    spec: RolloutSpec, status: RolloutStatus, seen: Observation, now: Any, obeyed: bool
) -> tuple[RolloutStatus, Split]:
    decision = decide(RolloutState(spec, status), seen, now)
    split, total = seen.split, seen.split.stable + seen.split.candidate
    for command in decision.commands:
        if isinstance(command, SetTraffic):
            new = command.split
            assert new.stable + new.candidate == total <= 100
            assert new.stable >= 0 <= new.candidate
            assert total > 0 or decision.next.phase in TERMINAL
            assert 0 <= new.mirror <= 50
            split = new if obeyed else split
    return decision.next, split


@given(STRATEGIES, st.integers(2, 100))
def test_a_step_leaves_both_deployments_something_unless_it_says_all_or_nothing(
    strategy: dict[str, Any], share: int
) -> None:
    for step in steps_of(spec_of(strategy, [])):
        split = split_of(step, share)
        assert split.stable + split.candidate == share
        assert (split.candidate == 0) == (step.weight_percent == 0)
        assert (split.stable == 0) == (step.weight_percent == 100)
