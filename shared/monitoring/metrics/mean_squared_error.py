"""Mean squared error, in the square of the target's unit."""

from __future__ import annotations

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(truth: Floats, prediction: Floats) -> float:
    """Of pairs of numbers."""
    return float(((truth - prediction) ** 2).mean())


METRIC = Metric("mse", "regression", "scikit-learn's mean_squared_error", compute=value)
