"""Every metric of the table has a value that was found by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.monitoring.column_types import ColumnType
from shared.monitoring.metrics.metric import Found
from shared.monitoring.metrics.table import METRICS
from tests.unit.monitoring.sketching import categories, column, numbers

BEFORE, NOW = [0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]  # moved by 1; standard deviation sqrt(1.25)
COUNTS = ([30, 70], [50, 50])
CONFUSION = np.array([[3.0, 1.0], [2.0, 4.0]])  # rows: true
TRUTH, TOLD = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 3.0, 3.0, 4.0])
COLUMNS = (
    column([1.0, 2.0, 3.0, 4.0], ColumnType.FLOAT),
    column(["0", "2", "x", None, "9"], ColumnType.FLOAT),
)
TEXTS = (column(["a", "b"], ColumnType.STRING), column(["a", "c", "c", None], ColumnType.STRING))
GOLDEN: dict[str, float] = {
    "normalized_wasserstein_distance": 1 / math.sqrt(1.25),
    "normalized_energy_distance": math.sqrt(2 * 4 * (1 / 4) ** 2) / math.sqrt(math.sqrt(1.25)),
    "two_sample_kolmogorov_smirnov_test": 1.0,  # D = 1/4 of four: every path comes that far from the diagonal
    "jensen_shannon_distance": math.sqrt(
        0.5 * (0.3 * math.log2(0.3 / 0.4) + 0.7 * math.log2(0.7 / 0.6))
        + 0.5 * (0.5 * math.log2(0.5 / 0.4) + 0.5 * math.log2(0.5 / 0.6))
    ),
    "population_stability_index": (50.5 - 30.5) / 101 * math.log(50.5 / 30.5)
    + (50.5 - 70.5) / 101 * math.log(50.5 / 70.5),
    "pearsons_chi_squared_test": math.erfc(math.sqrt((200 / 24) / 2)),  # 2 * 10**2 / 40 + 2 * 10**2 / 60
    "null_value_rate": 1 / 5,
    "data_type_error_rate": 1 / 5,
    "out_of_bounds_rate": 2 / 5,
    "new_category_rate": 2 / 3,
    "accuracy": 0.7,
    "precision": (3 / 5 + 4 / 5) / 2,
    "recall": (3 / 4 + 4 / 6) / 2,
    "f1_score": (2 * 0.6 * 0.75 / 1.35 + 2 * 0.8 * (2 / 3) / (0.8 + 2 / 3)) / 2,
    "roc_auc": 0.875,
    "mae": 0.75,
    "mse": 1.25,
    "rmse": math.sqrt(1.25),
    "r2_score": 1 - 5 / 14,
    "normalized_discounted_cumulative_gain": (2 + 3 / math.log2(3)) / (3 + 2 / math.log2(3)),
    "maximum_mean_discrepancy": 1 / 500,  # of rows that have nothing in common: no permutation is as far
    "datadrift_coefficient": 1.0,
}


def _found(name: str) -> float:
    metric = METRICS[name]
    if metric.categorical is not None:
        return metric.categorical(categories(COUNTS[0]), categories(COUNTS[1]), "slipway").value
    if metric.numerical is not None:
        return metric.numerical(numbers(BEFORE), numbers(NOW), "slipway").value
    assert metric.compute is not None
    apart = np.random.default_rng(0).normal(size=(100, 3))
    given = {
        "quality": TEXTS if name == "new_category_rate" else COLUMNS,
        "classification": (CONFUSION,),
        "ranking": (np.array([True, True, False, False]), np.array([0.9, 0.5, 0.5, 0.1])),
        "regression": (TRUTH, TOLD),
        "attribution": ({"a": 3.0, "b": -2.0}, {"a": 0.1, "b": 0.2}),
        "multivariate": (apart, apart + 50.0, 1),
    }[metric.kind]
    value = metric.compute(*given)
    return float(value.value if isinstance(value, Found) else value)


@pytest.mark.parametrize("name", METRICS)
def test_golden_values(name: str) -> None:
    assert _found(name) == pytest.approx(GOLDEN[name], abs=1e-12)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda one: one.name)
def test_a_metric_says_where_it_comes_from(metric: object) -> None:
    assert getattr(metric, "source", "")


def test_decile_bins_keep_a_frequent_value_apart() -> None:
    """Zeros that become negative numbers are seen."""
    psi = METRICS["population_stability_index"].numerical
    assert psi is not None
    zeros = np.concatenate([np.zeros(600), np.linspace(1, 2, 400)])
    moved = np.where(zeros == 0, -1.0, zeros)
    assert psi(numbers(zeros), numbers(moved), "slipway").value > 1


def test_a_constant_that_moves_is_seen_in_any_unit() -> None:
    for value in (1e-9, 5.0, 1e9):
        for metric in ("normalized_wasserstein_distance", "population_stability_index", "jensen_shannon_distance"):
            compute = METRICS[metric].numerical
            assert compute is not None
            assert compute(numbers([value] * 100), numbers([value * 2] * 100), "slipway").value > 0.5
            assert compute(numbers([value] * 100), numbers([value] * 100), "slipway").value < 1e-12


def test_heavy_tails_do_not_hide_a_shift() -> None:
    """Equal-width bins put nearly all of a lognormal column into one."""
    rng = np.random.default_rng(5)
    before, now = rng.lognormal(0, 2, 20_000), rng.lognormal(0.6, 2, 20_000)
    compute = METRICS["population_stability_index"].numerical
    assert compute is not None
    deciles, equal = (compute(numbers(before), numbers(now), one).value for one in ("slipway", "azureml"))  # type: ignore[arg-type]
    assert deciles > 0.07
    assert equal < deciles / 3
