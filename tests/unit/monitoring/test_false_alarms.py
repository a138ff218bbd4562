"""What a monitor says of data whose truth is known: it keeps quiet without drift, and sees the drift that matters."""

from __future__ import annotations

import numpy as np
import pytest

from shared.monitoring.settings import Settings
from shared.resources.monitor_request import DataSet, SignalRequest
from shared.resources.monitor_result import Verdict
from tests.unit.monitoring.synthetic import monitored, stable

SIZES = (200, 1_000)
ALLOWED = 0.05
# Thresholds of nothing: chance alone keeps such a monitor quiet.
EAGER = SignalRequest(
    name="drift",
    type="data_drift",
    production=DataSet(),
    numerical={"normalized_wasserstein_distance": 0.0, "two_sample_kolmogorov_smirnov_test": 0.05},
    categorical={"jensen_shannon_distance": 0.0, "pearsons_chi_squared_test": 0.05},
)


def _alarms(runs: int, rows: int, signal: SignalRequest, seed: int) -> int:
    rng, found = np.random.default_rng(seed), 0
    for _ in range(runs):
        features = monitored(stable(rng, rows), stable(rng, rows), signal=signal)
        found += any(one.verdict is Verdict.BREACHED for one in features)
    return found


@pytest.mark.parametrize("rows", SIZES)
def test_few_false_alarms_in_a_few_runs(rows: int) -> None:
    """The chance of more than 5 in 40 runs is below one in a hundred at 5 % a run; the seed is fixed."""
    assert _alarms(40, rows, EAGER, seed=rows) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("eager", [False, True], ids=["default", "thresholds of 0"])
def test_false_alarms_of_a_thousand_runs(rows: int, eager: bool) -> None:
    """60 columns, at most 5 % of the runs; 1.4 % is two standard errors of a thousand."""
    alarms = _alarms(
        1_000, rows, EAGER if eager else EAGER.model_copy(update={"numerical": None, "categorical": None}), 7
    )
    print(f"{rows} rows: {alarms} of 1,000 runs")
    assert alarms <= 1_000 * (ALLOWED + (0.014 if eager else 0.0))


SHIFTS = {"0.1 sigma": 0.1, "0.2 sigma": 0.2, "0.5 sigma": 0.5}


def _power(runs: int, rows: int, shift: float, signal: SignalRequest | None = None) -> float:
    """The share of the runs that find one moved column among 60."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(runs):
        before, now = stable(rng, rows), stable(rng, rows)
        now["n0"] = rng.normal(shift, 1, rows)
        features = monitored(before, now, signal=signal or EAGER)
        found += features[0].verdict is Verdict.BREACHED
    return found / runs


def test_a_shift_of_half_a_deviation_is_seen_in_a_thousand_rows() -> None:
    assert _power(10, 1_000, 0.5) == 1.0


def test_swapped_categories_are_seen() -> None:
    rng = np.random.default_rng(2)
    before, now = stable(rng, 2_000), stable(rng, 2_000)
    swapped = now["t3"].copy()
    swapped[now["t3"] == "c0"], swapped[now["t3"] == "c1"] = "c1", "c0"
    now["t3"] = swapped
    assert [one.name for one in monitored(before, now) if one.verdict is Verdict.BREACHED] == ["t3"]


def test_nulls_alone_are_no_drift_and_hide_none() -> None:
    """Values that are missing at random leave the distribution as it was; data quality tells of them."""
    rng = np.random.default_rng(3)
    before, now = stable(rng, 4_000, 10, 0), stable(rng, 4_000, 10, 0)
    now["n0"] = np.where(rng.random(4_000) < 0.4, np.nan, now["n0"])
    now["n1"] = np.where(rng.random(4_000) < 0.4, np.nan, now["n1"].astype(float) * 3)
    found = {one.name: one for one in monitored(before, now)}
    assert found["n0"].verdict is Verdict.HEALTHY
    assert found["n0"].current_null_count > 1_400
    assert [name for name, one in found.items() if one.verdict is Verdict.BREACHED] == ["n1"]


def test_too_few_values_are_no_verdict() -> None:
    rng = np.random.default_rng(4)
    before, now = stable(rng, 500, 5, 2), stable(rng, 500, 5, 2)
    now["n0"] = np.where(np.arange(500) < 470, np.nan, 99.0)
    found = {one.name: one for one in monitored(before, now)}
    assert found["n0"].verdict is Verdict.NOT_ENOUGH_DATA
    assert found["n1"].verdict is Verdict.HEALTHY
    assert {one.verdict for one in monitored(before, now, Settings(minimum_sample_size=501))} == {
        Verdict.NOT_ENOUGH_DATA
    }
