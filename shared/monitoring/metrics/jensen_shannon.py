"""Jensen-Shannon distance: 0 for equal distributions, 1 for distributions without a common value."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.bins import category_counts, number_counts, shares
from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.numerical import NumericalSketch


def distance(first: Floats, second: Floats) -> float:
    """The square root of the divergence to base 2 of two rows of counts (`scipy.spatial.distance.jensenshannon`)."""
    p, q = shares(first), shares(second)
    middle = (p + q) / 2.0
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2.0
    return float(np.sqrt(max(0.0, divergence)))


def _relative_entropy(p: Floats, q: Floats) -> float:
    held = p > 0
    return float((p[held] * np.log2(p[held] / q[held])).sum())


def _numbers(baseline: NumericalSketch, current: NumericalSketch, compatibility: Compatibility) -> Found:
    return Found(distance(*number_counts(baseline, current, compatibility)))


def _categories(baseline: CategoricalSketch, current: CategoricalSketch, compatibility: Compatibility) -> Found:
    return Found(distance(*category_counts(baseline, current)))


METRIC = Metric(
    "jensen_shannon_distance",
    "drift",
    "Lin, 'Divergence measures based on the Shannon entropy', 1991; base 2",
    numerical=_numbers,
    categorical=_categories,
    thresholds={"slipway categorical": 0.1, "azureml categorical": 0.1},
    usual=0.1,
)
