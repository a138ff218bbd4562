"""Maximum mean discrepancy of whole rows: finds drift that no single feature shows, by permutation."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Found, Metric

FREQUENCIES = 256  # random Fourier features of the Gaussian kernel, each with sine and cosine
PERMUTATIONS = 499
PAIRS = 2_000  # whose median distance is the kernel's width


def test(baseline: Floats, current: Floats, seed: int) -> Found:
    """The p-value by permutation of rows that are scaled alike, and the discrepancy itself, 0 to sqrt(2)."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([baseline, current])
    first, second = rng.integers(len(rows), size=(2, PAIRS))
    width = float(np.median(np.linalg.norm(rows[first] - rows[second], axis=1))) or 1.0
    angles = rows @ (rng.standard_normal((rows.shape[1], FREQUENCIES)) / width)
    embedded = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(FREQUENCIES)
    n, m = len(baseline), len(current)
    found = _discrepancies(embedded, np.arange(n)[None, :], m)[0]
    order = np.argsort(rng.random((PERMUTATIONS, n + m)), axis=1)[:, :n]
    as_far = int((_discrepancies(embedded, order, m) >= found).sum())
    p = (as_far + 1) / (PERMUTATIONS + 1)
    return Found(p, p, float(found), "MMD")


def _discrepancies(embedded: Floats, chosen: np.ndarray, m: int) -> Floats:
    """For each choice of the rows of the first sample: the distance of the means of both."""
    total, n = embedded.sum(axis=0), chosen.shape[1]
    weights = np.zeros((len(chosen), len(embedded)))
    np.put_along_axis(weights, chosen, 1.0, axis=1)
    sums = weights @ embedded
    return np.asarray(np.linalg.norm(sums / n - (total - sums) / m, axis=1))


METRIC = Metric(
    "maximum_mean_discrepancy",
    "multivariate",
    "Gretton et al., 'A kernel two-sample test', 2012; features: Rahimi and Recht, 2007",
    direction="below",
    unit="p-value",
    compute=test,
    usual=0.05,
)
