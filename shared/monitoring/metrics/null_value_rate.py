"""The share of rows without a value."""

from __future__ import annotations

from shared.monitoring.metrics.metric import Metric
from shared.monitoring.metrics.quality_rates import of_rows
from shared.monitoring.sketches.column import ColumnSketch


def rate(baseline: ColumnSketch, current: ColumnSketch) -> float:
    """Nulls and NaN by rows."""
    return of_rows(current.nulls, current)


METRIC = Metric("null_value_rate", "quality", "Azure ML's NullValueRate", unit="share", compute=rate,
                thresholds={"azureml": 0.0})  # fmt: skip
