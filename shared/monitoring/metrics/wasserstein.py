"""Wasserstein distance in standard deviations of the baseline: how far, on average, values have moved."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from shared.monitoring.arrays import Counts, Floats
from shared.monitoring.metrics.between import area, difference
from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.monitoring.sketches.numerical import NumericalSketch

LEAST_STD = 0.001  # Azure ML's


def distance(first: NumericalSketch, second: NumericalSketch) -> float:
    """The area between the distribution functions, in the unit of the values (`scipy.stats.wasserstein_distance`).
    Exact where both hold their values; else shares of at most a thousandth are taken as spread evenly."""
    if first.values is not None and second.values is not None:
        return _of_values(first.values, second.values)
    found = difference(first, second)
    (below, above), (other_below, other_above) = (_beyond(one, found.edges) for one in (first, second))
    return area(found) + abs(below - other_below) + abs(above - other_above)


def _beyond(sketch: NumericalSketch, edges: Floats) -> tuple[float, float]:
    """How far, on average of all values, they lie below the first and above the last edge."""
    below, above = sketch.below, sketch.above
    if sketch.values is not None:
        values = sketch.values
        low, high = np.searchsorted(values, edges[0], "left"), np.searchsorted(values, edges[-1], "right")
        below, above = float((edges[0] - values[:low]).sum()), float((values[high:] - edges[-1]).sum())
    return below / sketch.count, above / sketch.count


def _of_values(first: Floats, second: Floats) -> float:
    if len(first) == len(second):
        return float(np.abs(first - second).mean())
    mine, theirs, widths = _steps(len(first), len(second))
    return float((np.abs(first[mine] - second[theirs]) * widths).sum())


@lru_cache(maxsize=4)
def _steps(first: int, second: int) -> tuple[Counts, Counts, Floats]:
    """Where the quantile functions of samples of these sizes step: which value of each holds, and how long."""
    ends = np.concatenate([np.arange(1, first + 1) * second, np.arange(1, second + 1) * first])
    ends.sort(kind="stable")
    widths = np.diff(ends, prepend=0) / (first * second)
    return (ends - 1) // second, (ends - 1) // first, widths


def scale(baseline: NumericalSketch, compatibility: Compatibility) -> float:
    """Azure ML: the sample's standard deviation, at least 0.001. Slipway: the population's, in any unit; of a constant
    its magnitude, or 1."""
    if compatibility == "azureml":
        return max(baseline.moments.sample_std, LEAST_STD)
    return baseline.moments.std or abs(baseline.moments.mean) or 1.0


def _numbers(baseline: NumericalSketch, current: NumericalSketch, compatibility: Compatibility) -> Found:
    return Found(distance(baseline, current) / scale(baseline, compatibility))


METRIC = Metric(
    "normalized_wasserstein_distance",
    "drift",
    "Ramdas, Garcia and Cuturi, 'On Wasserstein two-sample testing', 2015, first order",
    unit="standard deviations",
    numerical=_numbers,
    thresholds={"slipway numerical": 0.1, "azureml numerical": 0.1},
    usual=0.1,
)
