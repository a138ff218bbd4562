"""Macro recall: the mean over the classes."""

from __future__ import annotations

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.confusion import recalls
from shared.monitoring.metrics.metric import Metric


def value(confusion: Floats) -> float:
    """Every class counts the same, however rare."""
    return float(recalls(confusion).mean())


METRIC = Metric("recall", "classification", "scikit-learn's recall_score, macro", direction="below", compute=value)
