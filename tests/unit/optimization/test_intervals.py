"""Ratios of medians and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from shared.optimization.workers.intervals import median_ratio, overall_ratio


def test_an_interval_holds_the_true_ratio_about_as_often_as_it_says() -> None:
    random, held, tries = np.random.default_rng(1), 0, 200
    for _ in range(tries):
        busy = random.lognormal(0, 0.3, 40)  # hits both
        found = median_ratio(3 * busy * random.lognormal(0, 0.1, 40), busy * random.lognormal(0, 0.1, 40)).document()
        held += found["low"] <= 3 <= found["high"]
    assert 0.88 <= held / tries <= 1


def test_equal_measurements_have_an_interval_of_no_width() -> None:
    assert median_ratio([6.0] * 5, [2.0] * 5).document() == {"value": 3.0, "low": 3.0, "high": 3.0}


def test_the_whole_is_the_geometric_mean() -> None:
    found = overall_ratio([median_ratio([8.0] * 5, [1.0] * 5), median_ratio([1.0] * 5, [2.0] * 5)]).document()
    assert found == pytest.approx({"value": 2.0, "low": 2.0, "high": 2.0})


def test_measurements_of_different_rounds_have_no_ratio() -> None:
    with pytest.raises(ValueError, match="not of the same rounds"):
        median_ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="no ratio"):
        overall_ratio([])
