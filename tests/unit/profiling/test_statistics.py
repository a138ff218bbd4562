"""Percentiles, intervals, steadiness and growth."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.profiling.statistics import bootstrap_interval, is_steady, percentile, slope

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(VALUES, st.floats(0, 100))
def test_percentiles_are_numpys(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)), abs=1e-6)


def test_what_is_no_percentile_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    with pytest.raises(ValueError, match="0 to 100"):
        percentile([1.0], 101)


def test_intervals_hold_the_median_as_often_as_they_say() -> None:
    draw = random.Random(1)
    held = 0
    for _ in range(100):
        low, high = bootstrap_interval([draw.gauss(50, 5) for _ in range(25)])
        held += low <= 50 <= high
    assert 88 <= held <= 99  # 95 % of 100, give or take three standard deviations; not always


def test_intervals_are_the_same_for_the_same_seed_and_of_one_value_have_no_width() -> None:
    values = [3.0, 9.0, 4.0, 8.0]
    assert bootstrap_interval(values, seed=5) == bootstrap_interval(values, seed=5)
    assert bootstrap_interval([7.0]) == (7.0, 7.0)
    with pytest.raises(ValueError, match="no values"):
        bootstrap_interval([])


@pytest.mark.parametrize(
    ("windows", "steady"),
    [
        ([], False),
        ([100, 100], False),
        ([100, 95, 91], True),
        ([100, 95, 89], False),
        ([10, 500, 480, 470], True),
        ([500, 480, 470, 100], False),
        ([0, 0, 0], False),
    ],
)
def test_three_windows_within_a_tenth_are_steady(windows: list[float], steady: bool) -> None:
    assert is_steady(windows) is steady


@given(st.floats(-100, 100), st.integers(0, 9))
def test_growth_is_found_in_spite_of_an_outlier(growth: float, outlier: int) -> None:
    points = [(float(x), 7 + growth * x) for x in range(10)]
    points[outlier] = (float(outlier), 1e6)
    assert slope(points) == pytest.approx(growth, abs=abs(growth) * 1e-6 + 1e-9) or outlier in (0, 9)
    assert abs(slope(points)) < 1e5


def test_one_moment_has_no_growth() -> None:
    assert slope([]) == slope([(1.0, 5.0)]) == slope([(1.0, 5.0), (1.0, 9.0)]) == 0.0
