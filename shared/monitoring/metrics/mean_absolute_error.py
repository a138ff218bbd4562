"""Mean absolute error, in the unit of the target."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(truth: Floats, prediction: Floats) -> float:
    """Of pairs of numbers."""
    return float(np.abs(truth - prediction).mean())


METRIC = Metric("mae", "regression", "scikit-learn's mean_absolute_error", compute=value)
