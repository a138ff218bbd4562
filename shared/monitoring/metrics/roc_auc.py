"""Area under the receiver operating characteristic: how surely positives get the greater probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(positive: npt.NDArray[np.bool_], probability: Floats) -> float:
    """The chance that a positive has a greater probability than a negative, ties by half (Mann and Whitney); NaN where
    one of the two classes is missing."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not (positives and negatives):
        return float("nan")
    _, place, counts = np.unique(probability, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2.0)[place]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))


METRIC = Metric("roc_auc", "ranking", "Hanley and McNeil, 1982", direction="below", compute=value)
