"""Sketches: exact counts, ranks within their bounds, merged in any order, stored and read again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Invalid
from shared.monitoring.arrays import numbers_of
from shared.monitoring.column_types import ColumnType
from shared.monitoring.metrics import kolmogorov_smirnov, population_stability, wasserstein
from shared.monitoring.sketches import categorical, storage
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.column import ColumnBuilder, ColumnPlan, ColumnSketch
from shared.monitoring.sketches.dataset import DataSketch
from shared.monitoring.sketches.numerical import BINS
from shared.monitoring.sketches.summary import BLOCK, QuantileSummary
from tests.unit.monitoring.sketching import column, numbers

RNG = np.random.default_rng(3)
SHAPES = {
    "normal": RNG.normal(size=50_000),
    "lognormal": RNG.lognormal(0, 3, 50_000),
    "whole numbers": RNG.poisson(4, 50_000).astype(float),
    "mostly zero": np.where(RNG.random(50_000) < 0.9, 0.0, RNG.normal(size=50_000)),
    "constant": np.full(50_000, 7.25),
    "far from zero": 1e6 + RNG.random(50_000) * 1e-3,
}


@pytest.mark.parametrize("name", SHAPES)
def test_between_two_edges_lies_at_most_a_thousandth(name: str) -> None:
    found = numbers(SHAPES[name]).compacted()
    between = found.less[1:] - found.at_most[:-1]
    assert len(found.edges) < 1.1 * BINS
    assert between.max(initial=0) <= len(SHAPES[name]) / BINS
    assert found.less[0] == 0
    assert found.at_most[-1] == len(SHAPES[name])


@pytest.mark.parametrize("name", SHAPES)
def test_a_compact_baseline_tells_what_the_values_tell(name: str) -> None:
    """PSI is exact; D is at most a thousandth below the exact one; Wasserstein's distance is off by no more than what
    lies between two edges, times their distance: 0.001 deviations of normal data."""
    before, now = SHAPES[name][:30_000], SHAPES[name][30_000:] * 1.1 + 0.05
    exact, stored, current = numbers(before), numbers(before).compacted(), numbers(now)
    psi = population_stability.METRIC.numerical
    assert psi is not None
    assert psi(stored, current, "slipway").value == pytest.approx(psi(exact, current, "slipway").value, abs=1e-12)
    d = kolmogorov_smirnov.distance(exact, current)
    assert d - 1 / BINS - 1e-12 <= kolmogorov_smirnov.distance(stored, current) <= d + 1e-12
    off = wasserstein.distance(stored, current) - wasserstein.distance(exact, current)
    less, at_most = current.cumulative(stored.edges)
    between = (stored.less[1:] - stored.at_most[:-1]) / stored.count + (less[1:] - at_most[:-1]) / current.count
    assert abs(off) <= float((np.diff(stored.edges) * between).sum()) + 1e-12
    assert name != "normal" or abs(off) <= 1e-3


def test_production_counted_at_edges_merges_exactly() -> None:
    baseline, hours = numbers(RNG.normal(size=20_000)).compacted(), [RNG.normal(0.3, 2, 5_000) for _ in range(24)]
    whole = numbers(np.concatenate(hours), edges=baseline.edges, keep=0)
    parts = [numbers(hour, edges=baseline.edges, keep=0) for hour in RNG.permutation(np.array(hours))]
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    assert merged.less.tolist() == whole.less.tolist()
    assert merged.at_most.tolist() == whole.at_most.tolist()
    assert merged.below == pytest.approx(whole.below)
    assert merged.above == pytest.approx(whole.above)
    assert merged.moments.std == pytest.approx(whole.moments.std, rel=1e-12)
    expected = wasserstein.distance(numbers(np.concatenate(hours)), baseline)
    assert wasserstein.distance(baseline, merged) == pytest.approx(expected, abs=2e-3)


def test_an_outlier_far_outside_the_baseline_counts_with_its_whole_distance() -> None:
    baseline = numbers(RNG.normal(size=10_000))
    values = np.append(RNG.normal(size=9_999), 1e6)
    exact = wasserstein.distance(baseline, numbers(values))
    counted = numbers(values, edges=baseline.compacted().edges, keep=0)
    assert wasserstein.distance(baseline.compacted(), counted) == pytest.approx(exact, rel=1e-3)


def test_baselines_with_other_edges_merge_within_their_bins() -> None:
    parts = [RNG.normal(place, 1, 20_000) for place in range(3)]
    merged = numbers(parts[0]).compacted()
    for part in parts[1:]:
        merged.merge(numbers(part).compacted())
    everything = np.sort(np.concatenate(parts))
    exact = np.searchsorted(everything, merged.edges, "right")
    assert merged.count == len(everything)
    assert np.abs(merged.at_most - exact).max() <= 2 * 20_000 / BINS


def test_a_stream_is_summarised_within_its_bound() -> None:
    values = np.concatenate([RNG.normal(size=400_000), np.linspace(5, 9, 250_000)])  # the last part is sorted
    summary = QuantileSummary()
    for start in range(0, len(values), 70_001):
        summary.add(np.sort(values[start : start + 70_001]))
    drawn, everything = summary.ordered(), np.sort(values)
    expected = np.linspace(0, 1, len(drawn) + 1)[1:]
    found = np.searchsorted(everything, drawn, "right") / len(everything)
    assert np.abs(found - expected).max() <= np.log2(len(values) / BLOCK) / (2 * BLOCK) + 1e-4


def test_a_column_with_more_values_than_are_kept_is_counted_exactly_at_its_edges() -> None:
    parts = [RNG.normal(size=20_000) for _ in range(8)]
    builder = ColumnBuilder(ColumnPlan("x", ColumnType.FLOAT, ("numerical",), keep=30_000))
    for part in parts:
        builder.add(pa.array(part))
    found, everything = builder.finish().numerical, np.sort(np.concatenate(parts))
    assert builder.again() is None
    assert found is not None
    assert found.values is None
    assert found.edges[[0, -1]].tolist() == [everything[0], everything[-1]]
    assert found.less.tolist() == np.searchsorted(everything, found.edges, "left").tolist()
    assert found.at_most.tolist() == np.searchsorted(everything, found.edges, "right").tolist()
    assert (found.less[1:] - found.at_most[:-1]).max() <= 2 / BINS * len(everything)


def test_a_column_that_changes_on_its_way_is_counted_again_at_better_edges() -> None:
    values = np.arange(300_000.0) / 1_000  # as if sorted by time
    builder = ColumnBuilder(ColumnPlan("x", ColumnType.FLOAT, ("numerical",), keep=30_000))
    for start in range(0, 300_000, 20_000):
        builder.add(pa.array(values[start : start + 20_000]))
    plan = builder.again()
    assert plan is not None
    second = ColumnBuilder(plan)
    second.add(pa.array(values))
    found = second.finish().numerical
    assert found is not None
    assert (found.less[1:] - found.at_most[:-1]).max() <= 1.5 / BINS * len(values)
    assert second.again() is None


def test_nulls_nan_and_infinities_are_no_values() -> None:
    found = column([1.0, None, float("nan"), float("inf"), 2.0, float("-inf")], ColumnType.FLOAT)
    assert (found.rows, found.nulls, found.errors, found.values) == (6, 2, 2, 2)


def test_texts_are_read_as_numbers_where_the_baseline_has_them() -> None:
    found = numbers_of(pa.array(["1", " 2.5e1 ", "", "NA", "abc", None, "-3"]))
    assert (found.values.tolist(), found.nulls, found.errors) == ([-3.0, 1.0, 25.0], 3, 1)


def test_categories_beyond_the_most_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categorical, "MAX_CATEGORIES", 3)
    sketch = CategoricalSketch()
    sketch.add({"a": 1, "b": 2, "c": 3, "d": 4, "a2": 5})
    assert (sketch.counts, sketch.untracked, sketch.count) == ({"a": 1, "b": 2, "c": 3}, 9, 15)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=40), min_size=1, max_size=5))
def test_counts_add_up_however_rows_are_divided(parts: list[list[float | None]]) -> None:
    def sketch_of(rows: list[float | None]) -> ColumnSketch:
        builder = ColumnBuilder(ColumnPlan("x", ColumnType.FLOAT, ("numerical",), keep=1_000))
        builder.add(pa.array(rows, pa.float64()))
        return builder.finish()

    merged, whole = sketch_of(parts[0]), sketch_of([value for part in parts for value in part])
    for part in parts[1:]:
        merged.merge(sketch_of(part))
    assert (merged.rows, merged.nulls, merged.errors) == (whole.rows, whole.nulls, whole.errors)
    assert merged.numerical is not None
    assert whole.numerical is not None
    assert merged.numerical.values is not None
    assert whole.numerical.values is not None
    assert merged.numerical.values.tolist() == whole.numerical.values.tolist()


def _stored() -> DataSketch:
    columns = {
        "x": column(RNG.normal(size=5_000), ColumnType.FLOAT),
        "kind": column(["a", "b", None, "ä\n"] * 50, ColumnType.STRING),
        "empty": column(np.zeros(0), ColumnType.FLOAT),
    }
    for name, one in columns.items():
        one.name = name
    return DataSketch(columns, 5_000)


def test_a_stored_sketch_is_read_as_it_was_written() -> None:
    before = _stored()
    after = storage.load(storage.dump(before))
    x, again = before.columns["x"].numerical, after.columns["x"].numerical
    assert x is not None
    assert again is not None
    assert (again.moments, again.edges.tolist()) == (x.moments, x.compacted().edges.tolist())
    assert after.columns["kind"] == before.columns["kind"]
    assert storage.dump(after) == storage.dump(before)
    assert len(storage.dump(after)) < 60_000


def test_damaged_sketches_are_refused() -> None:
    data = storage.dump(_stored())
    damaged = [b"", b"PK\x03\x04", data[:30], data[:-8], data + b"\0" * 8, data[:-7]]
    damaged += [data.replace(b"float", b"flout"), b"\x80\x04" + data]
    for one in damaged:
        with pytest.raises(Invalid):
            storage.load(one)
