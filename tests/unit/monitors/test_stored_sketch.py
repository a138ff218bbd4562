"""When the sketch of a data asset stands for its rows."""

from __future__ import annotations

from typing import Any

import pytest

from shared.monitoring.column_types import ColumnType
from shared.monitoring.sketches.column import forms_of
from shared.monitors.stored_sketch import reads_rows
from shared.resources.monitor_request import SignalRequest

COLUMNS = {one.value: one.value for one in ColumnType}  # a column of each type, called as it


def signal(kind: str = "data_drift", reference: dict[str, Any] | None = None, **more: Any) -> SignalRequest:
    asked = {"name": "s", "type": kind, "production": {}, "reference": reference or {}, **more}
    return SignalRequest.model_validate(asked)


@pytest.mark.parametrize("kind", ["data_drift", "prediction_drift", "data_quality"])
def test_distributions_are_compared_with_the_sketch(kind: str) -> None:
    assert not reads_rows(signal(kind), COLUMNS)


@pytest.mark.parametrize(
    "one",
    [
        signal("model_performance"),
        signal("feature_attribution_drift"),
        signal(overall={"maximum_mean_discrepancy": 0.05}),
        signal(reference={"segment_column": "a", "segment_values": ["b"]}),
        signal(reference={"window_start": "2026-01-01T00:00:00Z", "window_end": "2026-01-02T00:00:00Z"}),
        signal(types={"integer": "categorical"}),
        signal(types={"string": "numerical"}),
    ],
)
def test_whole_rows_parts_and_other_types_are_read(one: SignalRequest) -> None:
    assert reads_rows(one, COLUMNS)


def test_a_type_that_the_sketch_counts_needs_no_rows() -> None:
    """Whole numbers are counted as categories only while there are few of them."""
    for column in ColumnType:
        for form in forms_of(column):
            expected = column is ColumnType.INTEGER and form == "categorical"
            assert reads_rows(signal(types={column.value: form}), COLUMNS) is expected, (column, form)
    assert not reads_rows(signal(types={"none of them": "numerical"}), COLUMNS)
