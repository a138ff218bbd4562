"""Counts of two data sets in the same bins."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.metric import Compatibility
from shared.monitoring.sketches.categorical import CategoricalSketch, union
from shared.monitoring.sketches.numerical import NumericalSketch

DECILES = np.arange(1, 10) / 10
ATOM = 0.05  # a single value with more of the baseline is a bin of its own

Pair = tuple[Floats, Floats]


def number_counts(baseline: NumericalSketch, current: NumericalSketch, compatibility: Compatibility) -> Pair:
    """Azure ML's equal-width bins, or bins with a tenth of the baseline each."""
    return _equal_width(baseline, current) if compatibility == "azureml" else _once(baseline, current)


def category_counts(baseline: CategoricalSketch, current: CategoricalSketch) -> Pair:
    """Of each category that either has, the most frequent first; values of categories that were too many to be counted
    apart are one more."""
    names = union(baseline, current)
    both = (baseline, current)
    found = [np.array([float(one.counts.get(name, 0)) for name in names]) for one in both]
    if baseline.untracked or current.untracked:
        found = [np.append(counts, float(one.untracked)) for counts, one in zip(found, both, strict=True)]
    return found[0], found[1]


def equal_width_edges(baseline: NumericalSketch, current: NumericalSketch) -> Floats:
    """ceil(log2(size of the smaller) + 1) bins between the least and the greatest value of both; around a constant
    one bin (Azure ML's rule)."""
    low = min(baseline.moments.minimum, current.moments.minimum)
    high = max(baseline.moments.maximum, current.moments.maximum)
    if low == high:
        margin = 0.005 if low == 0 else abs(low) * 0.005
        return np.array([low - margin, high + margin])
    return np.linspace(low, high, math.ceil(math.log2(min(baseline.count, current.count)) + 1) + 1)


def _equal_width(baseline: NumericalSketch, current: NumericalSketch) -> Pair:
    edges = equal_width_edges(baseline, current)
    found = []
    for one in (baseline, current):
        inner = one.cumulative(edges[1:-1])[0]
        found.append(np.diff(np.concatenate([[0.0], inner, [float(one.count)]])))
    return found[0], found[1]


class _Counted(NamedTuple):
    """Two sketches while they had so many values, and their counts."""

    baseline: NumericalSketch
    current: NumericalSketch
    sizes: tuple[int, int]
    counts: Pair


_last: list[_Counted] = []  # one: the metrics of a feature follow one another


def _once(baseline: NumericalSketch, current: NumericalSketch) -> Pair:
    """The deciles of the last two sketches are not counted again."""
    sizes = (baseline.count, current.count)
    for last in _last[:1]:
        if last.baseline is baseline and last.current is current and last.sizes == sizes:
            return last.counts
    counts = _deciles(baseline, current)
    _last[:] = [_Counted(baseline, current, sizes, counts)]
    return counts


def _deciles(baseline: NumericalSketch, current: NumericalSketch) -> Pair:
    edges = np.unique(baseline.quantiles(DECILES))
    below, upto = baseline.cumulative(edges)
    apart = upto - below > ATOM * baseline.count
    pairs = []
    for one in (baseline, current):
        less, at_most = one.cumulative(edges)
        borders = np.stack([np.where(apart, less, at_most), at_most], axis=1).ravel()
        pairs.append(np.diff(np.concatenate([[0.0], np.maximum.accumulate(borders), [float(one.count)]])))
    held = (pairs[0] > 0) | (pairs[1] > 0)
    return pairs[0][held], pairs[1][held]


def shares(counts: Floats) -> Floats:
    """Counts as parts of their sum; zeros of nothing."""
    total = counts.sum()
    return counts / total if total > 0 else np.zeros(len(counts))
