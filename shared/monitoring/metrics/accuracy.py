"""The share of predictions that are right."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(confusion: Floats) -> float:
    """Of a confusion matrix: rows are what was true, columns what was predicted."""
    return float(np.trace(confusion) / confusion.sum())


METRIC = Metric("accuracy", "classification", "scikit-learn's accuracy_score", direction="below", compute=value)
