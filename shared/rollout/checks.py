"""One check of an analysis: passed, failed, or not to be told yet.

A check fails when a test at the given level says that the candidate is worse than allowed. It passes when there are
enough samples and what was measured keeps the limit. Between the two it is inconclusive, and more samples decide.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.resources.rollout import LATENCY_P99, SUCCESS_RATE, ArmCounters, CheckResult, MetricCheck
from shared.rollout.latency import count_above, quantile_ms, values_of
from shared.rollout.significance import (
    Summary,
    binomial_lower_tail,
    binomial_upper_tail,
    mann_whitney,
    two_proportions,
    welch,
)

_TAIL = 0.01  # of the requests are slower than the 99th percentile
_MIN_FOR_MEANS = 30  # values, before the normal distribution may stand for a mean's


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of a check."""

    p_value: float
    keeps: bool  # whether what was measured keeps the limit
    message: str


def counted_check(check: MetricCheck, candidate: ArmCounters, stable: ArmCounters, alpha: float) -> CheckResult:
    """The result of a check of success rate or latency, on what both answered in the window."""
    lacking = [
        f"{name} has {arm.requests} of {check.min_samples} requests"
        for name, arm, needed in (("candidate", candidate, True), ("stable", stable, check.max_worse is not None))
        if needed and arm.requests < check.min_samples
    ]
    if lacking:
        return CheckResult(metric=check.metric, verdict="inconclusive", message="; ".join(lacking))
    if check.metric == SUCCESS_RATE:
        findings = _success_rate(check, candidate, stable)
    elif check.metric == LATENCY_P99:
        findings = _latency_p99(check, candidate, stable, alpha)
    else:
        findings = _latency(check, candidate, stable)
    return _result(check, findings, alpha)


def _result(check: MetricCheck, findings: list[Finding], alpha: float) -> CheckResult:
    message = "; ".join(finding.message for finding in findings)
    if any(finding.p_value < alpha for finding in findings):
        return CheckResult(metric=check.metric, verdict="failed", message=f"{message} (at level {alpha:.2g})")
    verdict = "passed" if all(finding.keeps for finding in findings) else "inconclusive"
    return CheckResult.model_validate({"metric": check.metric, "verdict": verdict, "message": message})


def _success_rate(check: MetricCheck, candidate: ArmCounters, stable: ArmCounters) -> list[Finding]:
    found = []
    errors, requests = candidate.errors, candidate.requests
    said = f"success rate {1 - errors / requests:.4f} of {requests}"
    if check.at_least is not None:
        chance = 1 - check.at_least
        p_value = binomial_upper_tail(errors, requests, chance)
        text = f"{said}, at least {check.at_least:g}: p {p_value:.2g}"
        found.append(Finding(p_value, errors / requests <= chance + 1e-12, text))
    if check.max_worse is not None:
        p_value = two_proportions((errors, requests), (stable.errors, stable.requests), check.max_worse)
        worse = errors / requests - stable.errors / stable.requests
        text = f"{said}, stable {1 - stable.errors / stable.requests:.4f} of {stable.requests}: p {p_value:.2g}"
        found.append(Finding(p_value, worse <= check.max_worse, text))
    return found


def _latency_p99(check: MetricCheck, candidate: ArmCounters, stable: ArmCounters, alpha: float) -> list[Finding]:
    """The test of a quantile is the binomial test of how many lie above it (Conover, Practical Nonparametric
    Statistics, 3.2). Stable's percentile is not known but measured: half the level goes into its upper limit."""
    found = []
    slow = quantile_ms(candidate.latency, 1 - _TAIL) or 0.0
    if check.at_most is not None:
        p_value = _more_above(candidate, check.at_most)
        text = f"p99 {slow:.1f} ms, at most {check.at_most:g} ms: p {p_value:.2g}"
        found.append(Finding(p_value, slow <= check.at_most, text))
    if check.max_worse is not None:
        factor = 1 + check.max_worse
        stable_slow = quantile_ms(stable.latency, 1 - _TAIL) or 0.0
        limit_ms = _upper_p99_ms(stable, alpha / 2)
        p_value = 1.0 if limit_ms is None else 2 * _more_above(candidate, limit_ms * factor)
        text = f"p99 {slow:.1f} ms, stable {stable_slow:.1f} ms: p {min(p_value, 1):.2g}"
        found.append(Finding(p_value, slow <= stable_slow * factor, text))
    return found


def _more_above(arm: ArmCounters, limit_ms: float) -> float:
    counted = sum(arm.latency.counts)
    return binomial_upper_tail(count_above(arm.latency, limit_ms), counted, _TAIL)


def _upper_p99_ms(arm: ArmCounters, alpha: float) -> float | None:
    """What the true 99th percentile exceeds with a chance of at most alpha; None with too few requests to say."""
    counted = sum(arm.latency.counts)
    if binomial_lower_tail(0, counted, _TAIL) > alpha:
        return None
    low, high = 0, max(1, round(counted * _TAIL))  # the most requests above it that are still too unlikely
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if binomial_lower_tail(middle, counted, _TAIL) <= alpha else (low, middle)
    return quantile_ms(arm.latency, 1 - low / counted)


def _latency(check: MetricCheck, candidate: ArmCounters, stable: ArmCounters) -> list[Finding]:
    p_value = mann_whitney(values_of(candidate.latency), values_of(stable.latency, 1 + (check.max_worse or 0)))
    medians = [quantile_ms(arm.latency, 0.5) or 0.0 for arm in (candidate, stable)]
    text = f"median {medians[0]:.1f} ms, stable {medians[1]:.1f} ms: p {p_value:.2g}"
    return [Finding(p_value, p_value >= 0.5, text)]


def valued_check(
    check: MetricCheck, candidate: Summary | None, stable: Summary | None, alpha: float, breaches: int
) -> CheckResult:
    """The result of a check of any other metric. `breaches` counts those in a row before this look; a metric without
    samples fails when its limit is broken more often than failure_limit forgives."""
    least = max(check.min_samples, _MIN_FOR_MEANS)
    for name, values in (("candidate", candidate), ("stable", stable)):
        if name == "stable" and check.max_worse is None:
            continue
        if values is None or values.count < 1 or 1 < values.count < least:
            text = f"{name} has {values.count if values else 0} of {least} values"
            return CheckResult(metric=check.metric, verdict="inconclusive", message=text)
    assert candidate is not None
    findings = _valued(check, candidate, stable)
    if candidate.count > 1 and (stable is None or check.max_worse is None or stable.count > 1):
        return _result(check, findings, alpha)
    message = "; ".join(finding.message for finding in findings)
    verdict = "passed"
    if not all(finding.keeps for finding in findings):
        verdict = "failed" if breaches >= check.failure_limit else "inconclusive"
        message += f"; breach {breaches + 1}, {check.failure_limit} are forgiven"
    return CheckResult.model_validate({"metric": check.metric, "verdict": verdict, "message": message})


def _valued(check: MetricCheck, candidate: Summary, stable: Summary | None) -> list[Finding]:
    found = []
    for limit, sign, word in ((check.at_most, 1, "at most"), (check.at_least, -1, "at least")):
        if limit is not None:
            p_value = welch(_signed(candidate, sign), Summary(2, sign * limit, 0.0), 0.0)
            text = f"{check.metric} {candidate.mean:g}, {word} {limit:g}: p {p_value:.2g}"
            found.append(Finding(p_value, sign * candidate.mean <= sign * limit, text))
    if check.max_worse is not None and stable is not None:
        sign = -1 if check.higher_is_better else 1
        p_value = welch(_signed(candidate, sign), _signed(stable, sign), check.max_worse)
        text = f"{check.metric} {candidate.mean:g}, stable {stable.mean:g}: p {p_value:.2g}"
        found.append(Finding(p_value, sign * (candidate.mean - stable.mean) <= check.max_worse, text))
    return found


def _signed(values: Summary, sign: int) -> Summary:
    return Summary(values.count, sign * values.mean, values.variance)
