"""Coefficient of determination: the part of the variance that is explained."""

from __future__ import annotations

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(truth: Floats, prediction: Floats) -> float:
    """1 is perfect, 0 no better than the mean; of a constant truth 1 where every prediction is right, else 0."""
    left, all_ = float(((truth - prediction) ** 2).sum()), float(((truth - truth.mean()) ** 2).sum())
    if all_ == 0.0:
        return 1.0 if left == 0.0 else 0.0
    return 1.0 - left / all_


METRIC = Metric("r2_score", "regression", "scikit-learn's r2_score", direction="below", compute=value)
