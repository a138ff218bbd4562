"""Distributions in common bins, for pictures."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.sketches.categorical import CategoricalSketch, union
from shared.monitoring.sketches.numerical import NumericalSketch
from shared.resources.monitor_result import Distribution

BINS = 20
SHOWN = 20  # categories; the others are taken together
ENDS = np.array([0.005, 0.995])  # between which bins are equally wide: a single outlier must not squeeze the picture
OTHERS = "(others)"


def of_numbers(baseline: NumericalSketch, current: NumericalSketch) -> Distribution | None:
    """Equally wide bins over 99 % of both; the outermost reach to the least and the greatest value. None without values
    on one side."""
    if not (baseline.count and current.count):
        return None
    ends = np.stack([baseline.quantiles(ENDS), current.quantiles(ENDS)])
    edges = np.unique(np.linspace(ends[:, 0].min(), ends[:, 1].max(), BINS + 1))
    inner = edges[1:-1]
    low = min(baseline.moments.minimum, current.moments.minimum)
    high = max(baseline.moments.maximum, current.moments.maximum)
    outer = [low, *inner.tolist(), high] if high > low else [low, float(np.nextafter(low, np.inf))]
    return Distribution(edges=outer, baseline=_shares(baseline, inner), current=_shares(current, inner))


def _shares(sketch: NumericalSketch, inner: Floats) -> list[float]:
    counts = np.diff(np.concatenate([[0.0], sketch.cumulative(inner)[0], [float(sketch.count)]]))
    found: list[float] = (counts / sketch.count).tolist()
    return found


def of_categories(baseline: CategoricalSketch, current: CategoricalSketch) -> Distribution | None:
    """The most frequent ones, and all others together. None without values on one side."""
    if not (baseline.count and current.count):
        return None
    names = union(baseline, current)
    shown, others = names[:SHOWN], len(names) > SHOWN
    shares = []
    for one in (baseline, current):
        found = [one.counts.get(name, 0) / one.count for name in shown]
        shares.append([*found, max(0.0, 1.0 - sum(found))] if others else found)
    return Distribution(categories=shown + [OTHERS] * others, baseline=shares[0], current=shares[1])
