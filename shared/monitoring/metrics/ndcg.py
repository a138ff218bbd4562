"""Normalised discounted cumulative gain: whether the features that mattered are still those that matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Metric


def value(baseline: Mapping[str, float], current: Mapping[str, float]) -> float:
    """1 where production ranks the features as the baseline does; NaN where nothing mattered in the baseline.
    Features that only one side has matter nothing on the other; magnitudes count."""
    names = sorted({*baseline, *current})
    relevance, score = (np.abs([one.get(name, 0.0) for name in names]) for one in (baseline, current))
    ideal = _gain(relevance, relevance)
    return _gain(relevance, score) / ideal if ideal else float("nan")


def _gain(relevance: Floats, score: Floats) -> float:
    """Equal scores share their places' discounts evenly."""
    discounts = 1.0 / np.log2(np.arange(len(score)) + 2.0)
    _, place, counts = np.unique(-score, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=relevance) / counts
    ends = np.cumsum(np.concatenate([[0.0], discounts]))[np.concatenate([[0], np.cumsum(counts)])]
    return float((means * np.diff(ends)).sum())


METRIC = Metric(
    "normalized_discounted_cumulative_gain",
    "attribution",
    "Jarvelin and Kekalainen, 2002; ties: McSherry and Najork, 2008",
    direction="below",
    compute=value,
    thresholds={"slipway": 0.9, "azureml": 0.9},
)
