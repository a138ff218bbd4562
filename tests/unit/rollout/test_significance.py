"""Tests and intervals against published or exactly counted values."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.resources.rollout import ArmCounters, LatencyHistogram, MetricCheck
from shared.rollout.checks import counted_check, valued_check
from shared.rollout.latency import count_above, quantile_ms, since
from shared.rollout.significance import (
    Summary,
    alpha_of_look,
    binomial_lower_tail,
    binomial_upper_tail,
    mann_whitney,
    mean_interval,
    newcombe_interval,
    two_proportions,
    welch,
    wilson_interval,
)


def _exact_tail(successes: int, trials: int, chance: Fraction) -> float:
    counts = range(successes, trials + 1)
    return float(sum(math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in counts))


@given(st.integers(0, 60), st.integers(1, 60), st.fractions(Fraction(1, 50), Fraction(49, 50)))
def test_binomial_tails_are_exact(successes: int, trials: int, chance: Fraction) -> None:
    successes = min(successes, trials)
    assert binomial_upper_tail(successes, trials, float(chance)) == pytest.approx(
        _exact_tail(successes, trials, chance), abs=1e-12, rel=1e-9
    )
    below = 1 - _exact_tail(successes + 1, trials, chance)
    assert binomial_lower_tail(successes, trials, float(chance)) == pytest.approx(below, abs=1e-12)


def test_intervals_are_those_of_newcombe_1998() -> None:
    assert wilson_interval(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20, 0.95) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert newcombe_interval((56, 70), (48, 80), 0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe_interval((9, 10), (3, 10), 0.95) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert newcombe_interval((0, 0), (1, 2), 0.95) == (-1.0, 1.0)


def test_at_margin_0_the_score_test_is_the_pooled_z_test() -> None:
    pooled = 15 / 200
    z = 0.05 / math.sqrt(pooled * (1 - pooled) * 2 / 100)
    assert two_proportions((10, 100), (5, 100), 0.0) == pytest.approx(math.erfc(z / math.sqrt(2)) / 2)


@given(st.integers(20, 500), st.integers(20, 5000), st.sampled_from([0.0, 0.01, 0.05, 0.2]), st.data())
def test_a_score_test_falls_with_errors_and_rises_with_the_margin(
    few: int, many: int, margin: float, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, few - 1))
    stable = (data.draw(st.integers(0, many)), many)
    p_value = two_proportions((bad, few), stable, margin)
    assert 0 <= p_value <= 1
    assert two_proportions((bad + 1, few), stable, margin) <= p_value + 1e-9
    assert two_proportions((bad, few), stable, margin + 0.05) >= p_value - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_a_score_test_keeps_its_level_at_the_margin(seed: int) -> None:
    chance = random.Random(seed)
    alarms = 0
    for _ in range(400):
        candidate = sum(chance.random() < 0.04 for _ in range(300))
        stable = sum(chance.random() < 0.02 for _ in range(900))
        alarms += two_proportions((candidate, 300), (stable, 900), 0.02) < 0.05
    assert alarms <= 33  # 5 % of 400 is 20; more than 33 has a chance below 0.3 %


def test_mann_whitney_agrees_with_counting_all_orders() -> None:
    """Against the exact distribution of the rank sum for 8 and 7 values."""
    values = list(range(15))
    candidate = {1, 4, 6, 8, 9, 11, 13, 14}
    wanted = sum(candidate)
    exact = sum(sum(chosen) >= wanted for chosen in combinations(values, 8)) / math.comb(15, 8)
    stable = set(values) - candidate
    found = mann_whitney(dict.fromkeys(map(float, candidate), 1), dict.fromkeys(map(float, stable), 1))
    assert found == pytest.approx(exact, abs=0.01)
    assert mann_whitney({1.0: 50}, {1.0: 50}) == 1.0
    assert mann_whitney({}, {1.0: 50}) == 1.0


def test_welch_and_the_interval_of_a_mean() -> None:
    p_value = welch(Summary(100, 11.0, 25.0), Summary(100, 10.0, 25.0), 0.0)
    assert p_value == pytest.approx(math.erfc(math.sqrt(2) / math.sqrt(2)) / 2)
    assert welch(Summary(1, 11.0, 0.0), Summary(100, 10.0, 25.0), 0.0) == 1.0
    assert mean_interval(Summary(100, 10.0, 25.0), 0.95) == pytest.approx((9.02, 10.98), abs=0.001)


def test_levels_of_all_looks_sum_up_to_the_level() -> None:
    assert sum(alpha_of_look(0.05, look) for look in range(1, 100_000)) == pytest.approx(0.05, rel=1e-4)
    with pytest.raises(ValueError, match="from 1"):
        alpha_of_look(0.05, 0)


HISTOGRAM = LatencyHistogram(bounds_ms=[10, 20, 40], counts=[50, 30, 10, 10])


def test_quantiles_and_exceedances_of_a_histogram() -> None:
    assert quantile_ms(HISTOGRAM, 0.5) == 10
    assert quantile_ms(HISTOGRAM, 0.65) == 15
    assert quantile_ms(HISTOGRAM, 0.85) == 30
    assert quantile_ms(LatencyHistogram(bounds_ms=[10], counts=[0, 0]), 0.5) is None
    assert [count_above(HISTOGRAM, limit) for limit in (0, 10, 15, 40, 80)] == [100, 50, 35, 10, 0]


def test_counters_that_fell_count_from_zero() -> None:
    late = ArmCounters(requests=100, errors=3, latency=HISTOGRAM)
    early = ArmCounters(requests=60, errors=1, latency=LatencyHistogram(bounds_ms=[10, 20, 40], counts=[40, 15, 5, 0]))
    window = since(late, early)
    assert (window.requests, window.errors, window.latency.counts) == (40, 2, [10, 15, 5, 10])
    assert since(early, late) == early
    assert since(late, None) == late


def _arm(requests: int, errors: int = 0, fast: int = 0, slow: int = 0) -> ArmCounters:
    return ArmCounters(
        requests=requests, errors=errors, latency=LatencyHistogram(bounds_ms=[10, 20, 40], counts=[fast, 0, slow, 0])
    )


@pytest.mark.parametrize(
    ("metric", "limits", "candidate", "stable", "verdict"),
    [
        ("success_rate", {"at_least": 0.99}, _arm(99), _arm(0), "inconclusive"),
        ("success_rate", {"at_least": 0.99}, _arm(1000, 10), _arm(0), "passed"),
        ("success_rate", {"at_least": 0.99}, _arm(1000, 12), _arm(0), "inconclusive"),
        ("success_rate", {"at_least": 0.99}, _arm(1000, 50), _arm(0), "failed"),
        ("success_rate", {"max_worse": 0.01}, _arm(1000, 5), _arm(50), "inconclusive"),
        ("success_rate", {"max_worse": 0.01}, _arm(1000, 25), _arm(1000, 20), "passed"),
        ("success_rate", {"max_worse": 0.01}, _arm(1000, 80), _arm(1000, 20), "failed"),
        ("latency_p99_ms", {"at_most": 25}, _arm(1000, fast=995, slow=5), _arm(0), "passed"),
        ("latency_p99_ms", {"at_most": 20}, _arm(1000, fast=900, slow=100), _arm(0), "failed"),
        ("latency_p99_ms", {"max_worse": 0.5}, _arm(5000, fast=4500, slow=500), _arm(5000, fast=5000), "failed"),
        ("latency_p99_ms", {"max_worse": 0.5}, _arm(5000, fast=5000), _arm(5000, fast=5000), "passed"),
        ("latency_ms", {"max_worse": 0.2}, _arm(500, fast=500), _arm(500, fast=500), "passed"),
        ("latency_ms", {"max_worse": 0.2}, _arm(500, slow=500), _arm(500, fast=500), "failed"),
    ],
)
def test_verdicts(
    metric: str, limits: dict[str, float], candidate: ArmCounters, stable: ArmCounters, verdict: str
) -> None:
    check = MetricCheck.model_validate({"metric": metric, **limits})
    assert counted_check(check, candidate, stable, 0.001).verdict == verdict


@pytest.mark.parametrize(
    ("values", "breaches", "verdict"),
    [
        (None, 0, "inconclusive"),
        (Summary(1, 0.2, 0), 0, "passed"),
        (Summary(1, 0.9, 0), 0, "inconclusive"),
        (Summary(1, 0.9, 0), 2, "failed"),
        (Summary(20, 0.9, 0.01), 0, "inconclusive"),
        (Summary(200, 0.31, 0.1), 0, "inconclusive"),
        (Summary(200, 0.29, 0.1), 0, "passed"),
        (Summary(200, 0.9, 0.1), 0, "failed"),
    ],
)
def test_any_other_metric(values: Summary | None, breaches: int, verdict: str) -> None:
    check = MetricCheck(metric="drift", at_most=0.3)
    assert valued_check(check, values, None, 0.001, breaches).verdict == verdict


def test_a_metric_of_which_more_is_better_is_compared_the_other_way() -> None:
    check = MetricCheck(metric="clicks", max_worse=0.1, higher_is_better=True)
    low, high = Summary(200, 1.0, 0.1), Summary(200, 2.0, 0.1)
    assert valued_check(check, low, high, 0.001, 0).verdict == "failed"
    assert valued_check(check, high, low, 0.001, 0).verdict == "passed"


def test_a_check_that_could_never_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="success_rate is checked by at_most"):
        MetricCheck(metric="success_rate", at_most=0.5)
    with pytest.raises(ValueError, match="checked by nothing"):
        MetricCheck(metric="drift")
