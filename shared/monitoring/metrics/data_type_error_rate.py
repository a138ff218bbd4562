"""The share of rows whose value is not of the baseline's type."""

from __future__ import annotations

from shared.monitoring.metrics.metric import Metric
from shared.monitoring.metrics.quality_rates import of_rows
from shared.monitoring.sketches.column import ColumnSketch


def rate(baseline: ColumnSketch, current: ColumnSketch) -> float:
    """Values that cannot be read as the numbers that the baseline holds, by rows."""
    return of_rows(current.errors, current)


METRIC = Metric("data_type_error_rate", "quality", "Azure ML's DataTypeErrorRate", unit="share", compute=rate,
                thresholds={"azureml": 0.0})  # fmt: skip
