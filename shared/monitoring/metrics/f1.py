"""Macro F1: the mean over the classes of the harmonic mean of precision and recall."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.confusion import precisions, recalls
from shared.monitoring.metrics.metric import Metric


def value(confusion: Floats) -> float:
    """0 for a class that was never predicted rightly."""
    p, r = precisions(confusion), recalls(confusion)
    return float(np.divide(2 * p * r, p + r, out=np.zeros(len(p)), where=p + r > 0).mean())


METRIC = Metric("f1_score", "classification", "scikit-learn's f1_score, macro", direction="below", compute=value)
