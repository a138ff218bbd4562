"""The share of values in categories that the baseline does not have."""

from __future__ import annotations

from shared.monitoring.metrics.metric import Metric
from shared.monitoring.metrics.quality_rates import new_values, of_values
from shared.monitoring.sketches.column import ColumnSketch


def rate(baseline: ColumnSketch, current: ColumnSketch) -> float:
    """By values: nulls are no category."""
    return of_values(new_values(baseline, current), current)


METRIC = Metric("new_category_rate", "quality", "values of unseen categories by values", unit="share", compute=rate)
