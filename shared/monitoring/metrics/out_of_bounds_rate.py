"""The share of rows whose value lies where the baseline has none."""

from __future__ import annotations

import numpy as np

from shared.monitoring.column_types import ColumnType
from shared.monitoring.metrics.metric import Metric
from shared.monitoring.metrics.quality_rates import new_values, of_rows
from shared.monitoring.sketches.column import ColumnSketch


def rate(baseline: ColumnSketch, current: ColumnSketch) -> float:
    """Numbers below the least or above the greatest of the baseline, or texts that it does not hold, by rows."""
    if baseline.numerical is not None and current.numerical is not None and baseline.numerical.count:
        moments = baseline.numerical.moments
        less, at_most = current.numerical.cumulative(np.array([moments.minimum, moments.maximum]))
        return of_rows(round(less[0] + current.numerical.count - at_most[1]), current)
    return of_rows(new_values(baseline, current), current) if baseline.type is ColumnType.STRING else 0.0


METRIC = Metric("out_of_bounds_rate", "quality", "Azure ML's OutOfBoundsRate", unit="share", compute=rate,
                thresholds={"azureml": 0.0})  # fmt: skip
