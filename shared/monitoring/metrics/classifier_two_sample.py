"""Whether a classifier can tell today's rows from the baseline's: Azure ML's drift coefficient of dataset monitors."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Found, Metric

RIDGE = 1e-3


def coefficient(baseline: Floats, current: Floats, seed: int) -> Found:
    """Matthews' correlation of prediction and truth on the half of the rows that was not learnt from: 0 where the two
    cannot be told apart, 1 where always. The classifier is a quadratic one by least squares."""
    rng = np.random.default_rng(seed)
    size = min(len(baseline), len(current))
    rows = np.concatenate([rng.permutation(baseline)[:size], rng.permutation(current)[:size]])
    features = np.concatenate([rows, rows**2, np.ones((len(rows), 1))], axis=1).clip(-100.0, 100.0)
    target = np.repeat([-1.0, 1.0], size)
    learnt = np.tile(np.arange(size) % 2 == 0, 2)
    x, y = features[learnt], target[learnt]
    weights = np.linalg.solve(x.T @ x + RIDGE * len(x) * np.eye(x.shape[1]), x.T @ y)
    told = features[~learnt] @ weights > 0
    return Found(max(0.0, matthews(target[~learnt] > 0, told)))


def matthews(truth: np.ndarray, told: np.ndarray) -> float:
    """Correlation of two rows of truth values; 0 where one of them is constant (Matthews, 1975)."""
    if truth.std() == 0 or told.std() == 0:
        return 0.0
    return float(np.corrcoef(truth, told)[0, 1])


METRIC = Metric(
    "datadrift_coefficient",
    "multivariate",
    "Lopez-Paz and Oquab, 'Revisiting classifier two-sample tests', 2017; Azure ML's dataset monitors, threshold 0.2",
    compute=coefficient,
    thresholds={"azureml v1": 0.2},
    usual=0.2,
)
