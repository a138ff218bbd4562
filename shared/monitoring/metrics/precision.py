"""Macro precision: the mean over the classes."""

from __future__ import annotations

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.confusion import precisions
from shared.monitoring.metrics.metric import Metric


def value(confusion: Floats) -> float:
    """Every class counts the same, however rare."""
    return float(precisions(confusion).mean())


METRIC = Metric(
    "precision", "classification", "scikit-learn's precision_score, macro", direction="below", compute=value
)
