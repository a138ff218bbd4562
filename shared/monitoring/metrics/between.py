"""The difference of two distribution functions, where one of them is known at edges only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.sketches.numerical import NumericalSketch


class Difference(NamedTuple):
    """F - G to the left and to the right of each edge; between two edges it is taken as linear."""

    edges: Floats
    left: Floats
    right: Floats


def difference(first: NumericalSketch, second: NumericalSketch) -> Difference:
    """At the edges of the sketches that do not hold their values; both have values."""
    edges = [one.edges for one in (first, second) if one.values is None]
    known = edges[0] if len(edges) == 1 or np.array_equal(edges[0], edges[1]) else np.union1d(edges[0], edges[1])
    (less_f, upto_f), (less_g, upto_g) = first.cumulative(known), second.cumulative(known)
    n, m = first.count, second.count
    return Difference(known, less_f / n - less_g / m, upto_f / n - upto_g / m)


def area(found: Difference) -> float:
    """The integral of |F - G| between the first and the last edge."""
    from_, to = found.right[:-1], found.left[1:]
    size = np.abs(from_) + np.abs(to)
    crossing = (from_ * to) < 0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(crossing, (from_**2 + to**2) / (2 * size), size / 2)
    return float((np.diff(found.edges) * mean).sum())
