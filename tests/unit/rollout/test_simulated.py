"""Seeded runs of whole rollouts: bad candidates go back, good ones arrive, and looking often does not cry wolf."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shared.resources.rollout import ArmCounters, RolloutPhase, RolloutRequest, RolloutSpec, RolloutStatus
from shared.rollout.analysis import Verdict, analysed, verdict_of
from shared.rollout.machine import Happening
from shared.rollout.observation import Arm, Observation
from shared.rollout.significance import two_proportions
from shared.rollout.strategy import Split
from tests.unit.rollout.world import BEGAN, CANARY, CHECKS, Behaviour, World, spec_of

RUNS = 50
# None of 50 bounds the rate by 5.8 % with 95 % confidence (1 - 0.05 ** (1 / 50)).
MAX_FALSE_PROMOTIONS = 0
# 5 % is asked for; more than 6 of 50 would come with a chance of 1 % at that rate.
MAX_FALSE_ROLL_BACKS = 6

BAD = {
    "5 % errors": Behaviour(error_share=0.05),
    "3x latency": Behaviour(latency_ms=60.0),
    "crash on start": Behaviour(crashes=True),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_a_bad_candidate_is_rolled_back(kind: str) -> None:
    worlds = [World(spec_of(CANARY, CHECKS), BAD[kind], seed) for seed in range(RUNS)]
    ends = [world.run() for world in worlds]
    assert ends.count(RolloutPhase.SUCCEEDED) <= MAX_FALSE_PROMOTIONS
    assert set(ends) == {RolloutPhase.ROLLED_BACK}
    for world in worlds:
        assert world.split == Split(100, 0, 0)
        assert world.happenings[-1] is Happening.ROLLOUT_ROLLED_BACK
        assert world.status.reason == ("CandidateFailed" if BAD[kind].crashes else "AnalysisFailed")


def test_a_good_candidate_is_promoted() -> None:
    worlds = [World(spec_of(CANARY, CHECKS), Behaviour(), seed) for seed in range(RUNS)]
    ends = [world.run() for world in worlds]
    assert ends.count(RolloutPhase.SUCCEEDED) >= RUNS - MAX_FALSE_ROLL_BACKS
    assert set(ends) <= {RolloutPhase.SUCCEEDED, RolloutPhase.ROLLED_BACK}
    promoted = next(world for world in worlds if world.status.phase is RolloutPhase.SUCCEEDED)
    assert promoted.split == Split(0, 100, 0)
    assert [split.candidate for split in promoted.splits] == [10, 25, 50, 100]
    assert promoted.happenings[-1] is Happening.ROLLOUT_PROMOTED


@pytest.mark.parametrize(
    ("strategy", "end", "split"),
    [
        ({"type": "ramp", "shape": "linear", "first_percent": 20, "step_count": 5, "interval_s": 60}, "Succeeded", 100),
        (
            {"type": "ramp", "shape": "exponential", "first_percent": 5, "step_count": 4, "interval_s": 60},
            "Succeeded",
            100,
        ),
        ({"type": "blue_green", "preview_s": 60, "preview_mirror_percent": 20, "bake_s": 120}, "Succeeded", 100),
        ({"type": "shadow", "mirror_percent": 20, "duration_s": 120}, "Succeeded", 0),
    ],
    ids=["linear", "exponential", "blue-green", "shadow"],
)
@pytest.mark.parametrize("error_share", [0.005, 0.08], ids=["good", "bad"])
def test_every_strategy_arrives_or_goes_back(
    strategy: dict[str, Any], end: str, split: int, error_share: float
) -> None:
    world = World(spec_of(strategy, CHECKS), Behaviour(error_share=error_share), seed=7)
    world.run()
    good = error_share < 0.01
    assert world.status.phase == (end if good else "RolledBack"), world.status
    assert world.split == (Split(100 - split, split, 0) if good else Split(100, 0, 0))


def test_an_experiment_says_which_arm_is_better_and_how_sure_it_is() -> None:
    strategy = {"type": "ab_test", "duration_s": 600, "sticky_header": "x-user", "auto_promote": True}
    better = World(spec_of(strategy, []), Behaviour(error_share=0.0), seed=1, requests_per_s=100)
    better.blue = Behaviour(error_share=0.05)
    assert better.run() is RolloutPhase.SUCCEEDED
    assert better.splits[0] == Split(50, 50, 0, "x-user")
    assert better.split == Split(0, 100, 0)
    result = better.status.experiment
    assert result is not None
    assert result.interval is not None
    assert result.difference is not None
    assert result.interval.low < 0.05 < result.interval.high
    assert 0 < result.interval.low < result.difference
    assert [arm.deployment for arm in result.arms] == ["blue", "green"]
    assert min(arm.samples for arm in result.arms) > 20_000
    assert result.confidence > 0.95
    same = World(spec_of(strategy, []), Behaviour(error_share=0.005), seed=2, requests_per_s=100)
    assert same.run() is RolloutPhase.ROLLED_BACK
    assert same.status.reason == "NotBetter"


def test_an_experiment_waits_for_people_unless_told_otherwise() -> None:
    strategy = {"type": "ab_test", "duration_s": 60, "sticky_header": "x-user", "min_samples": 200}
    world = World(spec_of(strategy, CHECKS), Behaviour(), seed=3)
    assert world.run(40) is RolloutPhase.AWAITING_APPROVAL
    world.ask(RolloutRequest.APPROVE)
    assert world.run() is RolloutPhase.SUCCEEDED


def _alarms(spec: RolloutSpec, seed: int) -> tuple[bool, bool]:
    """Two deployments that are alike, looked at 60 times: whether an uncorrected test at 5 % and the analysis cried."""
    chance = random.Random(seed)
    status = RolloutStatus(settled_at=BEGAN)
    errors, requests = [0, 0], 0
    naive = corrected = False
    for _ in range(60):
        requests += 50
        for arm in (0, 1):
            errors[arm] += sum(chance.random() < 0.05 for _ in range(50))
        stable, candidate = (Arm(True, ArmCounters(requests=requests, errors=count)) for count in errors)
        status = analysed(spec, status, Observation(Split(50, 50, 0), stable, candidate))
        corrected |= verdict_of(spec, status) is Verdict.FAILED
        naive |= two_proportions((errors[1], requests), (errors[0], requests), 0.0) < 0.05
    return naive, corrected


def test_looking_often_does_not_cry_wolf() -> None:
    check = {"metric": "success_rate", "max_worse": 0.0, "min_samples": 100}
    spec = spec_of({"type": "canary", "steps": [{"weight_percent": 50, "duration_s": 60}]}, [check])
    found = [_alarms(spec, seed) for seed in range(300)]
    assert sum(corrected for _, corrected in found) <= 24  # 5 % of 300 is 15; more than 24 has a chance below 1 %
    assert sum(naive for naive, _ in found) >= 45  # what the correction is for
