"""Verdicts: by threshold, chance and effect; false discoveries are controlled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shared.errors import Invalid
from shared.monitoring.column_types import ColumnType
from shared.monitoring.features import compared, feature_type, fitting
from shared.monitoring.judging import adjusted, judged
from shared.monitoring.metrics.metric import Found
from shared.monitoring.metrics.table import METRICS, metric_of
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.column import ColumnSketch
from shared.resources.monitor_result import Verdict

W, KS, ACCURACY = (
    METRICS[name] for name in ("normalized_wasserstein_distance", "two_sample_kolmogorov_smirnov_test", "accuracy")
)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_adjusted_p_values_are_those_of_benjamini_and_hochberg(values: list[float]) -> None:
    assert adjusted(values) == pytest.approx(list(stats.false_discovery_control(values)), abs=1e-12)


def test_a_distance_is_a_breach_when_it_is_no_chance() -> None:
    assert judged(W, Found(0.2), 0.1, companion=0.001).verdict is Verdict.BREACHED
    by_chance = judged(W, Found(0.2), 0.1, companion=0.2)
    assert (by_chance.verdict, by_chance.reason) == (
        Verdict.HEALTHY, "0.2 is above 0.1, adjusted p-value 0.2: as much happens by chance",
    )  # fmt: skip
    assert judged(W, Found(0.1), 0.1, companion=0.001).verdict is Verdict.HEALTHY  # on the threshold is within
    assert judged(W, Found(0.9), None, companion=0.001).verdict is Verdict.HEALTHY  # shown only


def test_a_small_p_value_is_no_breach_when_its_effect_is_small() -> None:
    tiny = judged(KS, Found(1e-6, 1e-6, 0.01, "D"), 0.05, companion=1e-5)
    assert (tiny.verdict, tiny.adjusted_p_value) == (Verdict.HEALTHY, 1e-5)
    assert "D below 0.05 is too small to matter" in tiny.reason
    assert judged(KS, Found(1e-6, 1e-6, 0.2, "D"), 0.05, companion=1e-5).verdict is Verdict.BREACHED
    assert judged(KS, Found(1e-6, 1e-6, 0.2, "D"), 0.05, companion=0.3).verdict is Verdict.HEALTHY


def test_azure_ml_goes_by_the_threshold_alone() -> None:
    assert judged(W, Found(0.2), 0.1, compatibility="azureml").verdict is Verdict.BREACHED
    tiny = judged(KS, Found(0.04, 0.04, 0.001, "D"), 0.05, compatibility="azureml")
    assert (tiny.verdict, tiny.adjusted_p_value) == (Verdict.BREACHED, None)


@pytest.mark.parametrize("compatibility", ["slipway", "azureml"])
def test_accuracy_alerts_when_it_is_low(compatibility: str) -> None:
    """Microsoft's code alerts when it is above the threshold."""
    low, high = (judged(ACCURACY, Found(value), 0.8, compatibility=compatibility) for value in (0.7, 0.9))  # type: ignore[arg-type]
    assert (low.verdict, high.verdict) == (Verdict.BREACHED, Verdict.HEALTHY)


def test_what_is_no_number_has_failed() -> None:
    found = judged(ACCURACY, Found(float("nan")), 0.8)
    assert (found.verdict, found.value) == (Verdict.FAILED, None)


def _integers(distinct: int, values: int) -> ColumnSketch:
    counts = {str(n): values // distinct for n in range(distinct)}
    return ColumnSketch("x", ColumnType.INTEGER, rows=values, categorical=CategoricalSketch(counts))


def test_whole_numbers_are_categories_when_few_are_different() -> None:
    cases = {(5, 1_000): ("categorical", "categorical"), (40, 1_000): ("numerical", "categorical")}
    cases |= {(60, 1_000): ("numerical", "numerical"), (5, 50): ("numerical", "numerical")}
    for (distinct, values), expected in cases.items():
        column = _integers(distinct, values)
        assert (feature_type(column, "slipway"), feature_type(column, "azureml")) == expected


def test_times_and_lists() -> None:
    for kind, expected in ((ColumnType.TIME, (None, "categorical")), (ColumnType.OTHER, (None, None))):
        column = ColumnSketch("x", kind)
        assert (feature_type(column, "slipway"), feature_type(column, "azureml")) == expected


def test_common_columns() -> None:
    before = {"a": ColumnType.FLOAT, "b": ColumnType.INTEGER, "c": ColumnType.STRING}
    now = {"c": ColumnType.STRING, "b": ColumnType.FLOAT, "d": ColumnType.FLOAT}
    assert compared(before, now, None, (), exact_types=False) == ["b", "c"]
    assert compared(before, now, None, (), exact_types=True) == ["c"]
    assert compared(before, now, None, ["c"], exact_types=False) == ["b"]
    with pytest.raises(Invalid, match="the production data has no column 'a'"):
        compared(before, now, ["a"], (), exact_types=False)
    with pytest.raises(Invalid, match="no common columns"):
        compared(before, {"z": ColumnType.FLOAT}, None, (), exact_types=False)


def test_types_that_do_not_go_together() -> None:
    assert fitting("x", ColumnType.FLOAT, ColumnType.INTEGER) == ""
    assert "holds numbers in the baseline, and texts now" in fitting("x", ColumnType.INTEGER, ColumnType.STRING)
    assert "texts in the baseline, and numbers now" in fitting("x", ColumnType.STRING, ColumnType.FLOAT)
    assert "is of type time" in fitting("x", ColumnType.TIME, ColumnType.FLOAT)


def test_unknown_metrics_are_told_with_the_known_ones() -> None:
    with pytest.raises(Invalid) as caught:
        metric_of("psi", "drift")
    assert "population_stability_index" in (caught.value.remedy or "")
