"""The analysis of a step: which looks count, and what all checks say together."""

from __future__ import annotations

from enum import StrEnum

from shared.resources.rollout import (
    CHECKED_BY,
    AbTest,
    ArmCounters,
    CheckResult,
    MetricCheck,
    RolloutSpec,
    RolloutStatus,
)
from shared.rollout.checks import counted_check, valued_check
from shared.rollout.latency import since
from shared.rollout.observation import Observation
from shared.rollout.significance import alpha_of_look
from shared.rollout.strategy import Step, steps_of

_GROWTH = 1.1  # of the samples between two looks: each look costs a part of the level, so few say more than many


class Verdict(StrEnum):
    """What all checks say together."""

    PASSED = "Passed"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


def windows(step: Step, status: RolloutStatus, seen: Observation) -> tuple[ArmCounters, ArmCounters]:
    """What candidate and stable answered since the step's traffic is so. A step that leaves stable nothing compares
    with all that stable answered before."""
    candidate = since(seen.candidate.counters, status.candidate_before)
    stable = seen.stable.counters
    if step.weight_percent < 100:
        stable = since(stable, status.stable_before)
    return candidate, stable


def analysed(spec: RolloutSpec, status: RolloutStatus, seen: Observation) -> RolloutStatus:
    """The status after one look. Checks that count samples are done again only when those have grown by a tenth."""
    step = steps_of(spec)[status.step]
    checks = spec.analysis.checks if step.measured else []
    candidate, stable = windows(step, status, seen)
    due = _is_due(spec, checks, status, candidate.requests)
    previous = {} if due else {result.metric: result for result in status.results}
    looks = status.looks + int(due)
    alpha = alpha_of_look(_alpha_of_test(spec), max(looks, 1))
    results, breaches = [], {}
    for check in checks:
        if check.metric in CHECKED_BY:
            kept = previous.get(check.metric)
            results.append(kept or counted_check(check, candidate, stable, alpha))
            continue
        result = _valued(check, status, seen, alpha)
        results.append(result)
        breaches[check.metric] = 0 if result.verdict == "passed" else status.breaches.get(check.metric, 0) + 1
    after = {"results": results, "breaches": breaches, "looks": looks}
    if due:
        after["looked_samples"] = candidate.requests
    return status.model_copy(update=after)


def _is_due(spec: RolloutSpec, checks: list[MetricCheck], status: RolloutStatus, samples: int) -> bool:
    needed = [check.min_samples for check in checks if check.metric in CHECKED_BY]
    if isinstance(spec.strategy, AbTest):
        needed.append(spec.strategy.min_samples)
    if not needed:
        return bool(checks)
    return samples >= max(min(needed), status.looked_samples * _GROWTH)


def _valued(check: MetricCheck, status: RolloutStatus, seen: Observation, alpha: float) -> CheckResult:
    candidate, stable = seen.candidate.values.get(check.metric), seen.stable.values.get(check.metric)
    return valued_check(check, candidate, stable, alpha, status.breaches.get(check.metric, 0))


def _alpha_of_test(spec: RolloutSpec) -> float:
    """The rollout's rate of false alarms shared among all tests of all steps (Bonferroni)."""
    limits = [limit for one in spec.analysis.checks for limit in (one.at_least, one.at_most, one.max_worse)]
    tests = sum(limit is not None for limit in limits)
    return spec.analysis.false_alarm_rate / (max(tests, 1) * len(steps_of(spec)))


def verdict_of(spec: RolloutSpec, status: RolloutStatus) -> Verdict:
    """What the newest look says; a step without requests for the candidate passes."""
    verdicts = {result.verdict for result in status.results}
    if "failed" in verdicts:
        return Verdict.FAILED
    expected = len(spec.analysis.checks) if steps_of(spec)[status.step].measured else 0
    if "inconclusive" in verdicts or len(status.results) < expected:
        return Verdict.INCONCLUSIVE
    return Verdict.PASSED
