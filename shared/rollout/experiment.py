"""A/B tests: what each arm came to, with confidence intervals, and whether B is better."""

from __future__ import annotations

from enum import StrEnum

from shared.resources.rollout import AbTest, ArmCounters, ArmResult, ExperimentResult, Interval, RolloutSpec
from shared.rollout.observation import Arm, Observation
from shared.rollout.significance import (
    Summary,
    alpha_of_look,
    mean_interval,
    newcombe_interval,
    wilson_interval,
)


class Winner(StrEnum):
    """What an experiment says when it ends."""

    CANDIDATE = "Candidate"  # the interval of the difference lies above 0
    STABLE = "Stable"  # it does not


def experiment_of(
    spec: RolloutSpec, seen: Observation, counted: tuple[ArmCounters, ArmCounters], looks: int
) -> ExperimentResult | None:
    """The arms' results; None for other strategies. `counted` is what candidate and stable answered in the window.
    Intervals are widened for the number of looks, so that all of them together hold with the confidence asked for."""
    strategy = spec.strategy
    if not isinstance(strategy, AbTest):
        return None
    confidence = 1 - alpha_of_look(1 - strategy.confidence, max(looks, 1))
    if strategy.outcome:
        return _by_outcome(spec, strategy.outcome, seen, confidence)
    return _by_success(spec, counted, confidence)


def _by_success(spec: RolloutSpec, counted: tuple[ArmCounters, ArmCounters], confidence: float) -> ExperimentResult:
    candidate, stable = ((arm.requests - arm.errors, arm.requests) for arm in counted)
    arms = []
    for name, (good, total) in ((spec.stable, stable), (spec.candidate, candidate)):
        interval = _interval(wilson_interval(good, total, confidence)) if total else None
        arms.append(ArmResult(deployment=name, samples=total, value=good / total if total else None, interval=interval))
    if not (candidate[1] and stable[1]):
        return ExperimentResult(arms=arms, difference=None, interval=None, confidence=confidence)
    difference = candidate[0] / candidate[1] - stable[0] / stable[1]
    interval = _interval(newcombe_interval(candidate, stable, confidence))
    return ExperimentResult(arms=arms, difference=difference, interval=interval, confidence=confidence)


def _by_outcome(spec: RolloutSpec, outcome: str, seen: Observation, confidence: float) -> ExperimentResult:
    arms = [
        _arm_by_outcome(spec.stable, seen.stable, outcome, confidence),
        _arm_by_outcome(spec.candidate, seen.candidate, outcome, confidence),
    ]
    stable, candidate = seen.stable.values.get(outcome), seen.candidate.values.get(outcome)
    if stable is None or candidate is None or min(stable.count, candidate.count) < 2:
        return ExperimentResult(arms=arms, difference=None, interval=None, confidence=confidence)
    # The difference of two means is as one mean whose variance of the mean is the sum of both (Welch 1947).
    variance = stable.variance / stable.count + candidate.variance / candidate.count
    difference = candidate.mean - stable.mean
    interval = _interval(mean_interval(Summary(2, difference, 2 * variance), confidence))
    return ExperimentResult(arms=arms, difference=difference, interval=interval, confidence=confidence)


def _arm_by_outcome(name: str, arm: Arm, outcome: str, confidence: float) -> ArmResult:
    values = arm.values.get(outcome)
    if values is None or values.count < 2:
        return ArmResult(deployment=name, samples=values.count if values else 0, value=None, interval=None)
    interval = _interval(mean_interval(values, confidence))
    return ArmResult(deployment=name, samples=values.count, value=values.mean, interval=interval)


def _interval(limits: tuple[float, float]) -> Interval:
    return Interval(low=limits[0], high=limits[1])


def is_large_enough(spec: RolloutSpec, result: ExperimentResult | None) -> bool:
    """Whether each arm has the samples asked for; True for what is no experiment."""
    if not isinstance(spec.strategy, AbTest):
        return True
    return result is not None and all(arm.samples >= spec.strategy.min_samples for arm in result.arms)


def winner_of(result: ExperimentResult) -> Winner:
    """Who is better, for an outcome of which more is better."""
    return Winner.CANDIDATE if result.interval is not None and result.interval.low > 0 else Winner.STABLE
