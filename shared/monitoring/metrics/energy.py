"""Energy distance of two samples of numbers."""

from __future__ import annotations

import math

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.between import difference
from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.monitoring.metrics.wasserstein import scale
from shared.monitoring.sketches.numerical import NumericalSketch


def distance(first: NumericalSketch, second: NumericalSketch) -> float:
    """sqrt(2 * integral of (F - G)**2), in the root of the values' unit (`scipy.stats.energy_distance`)."""
    if first.values is not None and second.values is not None:
        return _of_values(first.values, second.values)
    found = difference(first, second)
    from_, to = found.right[:-1], found.left[1:]
    return math.sqrt(2.0 * float((np.diff(found.edges) * (from_**2 + from_ * to + to**2) / 3.0).sum()))


def _of_values(first: Floats, second: Floats) -> float:
    both = np.concatenate([first, second])
    both.sort(kind="stable")
    gap = np.searchsorted(first, both[:-1], "right") / len(first) - np.searchsorted(second, both[:-1], "right") / len(
        second
    )
    return math.sqrt(2.0 * float((np.diff(both) * gap**2).sum()))


def _numbers(baseline: NumericalSketch, current: NumericalSketch, compatibility: Compatibility) -> Found:
    return Found(distance(baseline, current) / math.sqrt(scale(baseline, compatibility)))


METRIC = Metric(
    "normalized_energy_distance",
    "drift",
    "Szekely and Rizzo, 'Energy statistics', 2013; divided by the root of the baseline's standard deviation",
    numerical=_numbers,
    usual=0.1,
)
