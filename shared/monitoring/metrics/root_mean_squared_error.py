"""Root of the mean squared error, in the unit of the target."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(truth: Floats, prediction: Floats) -> float:
    """Of pairs of numbers."""
    return float(np.sqrt(((truth - prediction) ** 2).mean()))


METRIC = Metric("rmse", "regression", "scikit-learn's root_mean_squared_error", compute=value)
