"""How numbers are distributed: exact counts at edges, or, while they are few, the numbers themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from shared.monitoring.arrays import Counts, Floats
from shared.monitoring.sketches.moments import Moments

BINS = 1000  # between two edges lies no more than this part of the values, or a single value
TAIL = 2_000.0  # further edges halve the share of the values that lie outside, from this part on


def _none() -> Counts:
    return np.zeros(0, dtype=np.int64)


@dataclass(slots=True)
class NumericalSketch:
    """At each edge it is known exactly how many values are less than it and how many are not above it."""

    moments: Moments = field(default_factory=Moments)
    edges: Floats = field(default_factory=lambda: np.zeros(0))  # strictly increasing
    less: Counts = field(default_factory=_none)  # values below each edge
    at_most: Counts = field(default_factory=_none)  # values not above each edge
    below: float = 0.0  # how far, added up, values lie below the first edge
    above: float = 0.0  # and above the last one
    values: Floats | None = None  # all of them, sorted, where they were kept; never stored
    _outer: tuple[Floats, Floats, Floats] | None = field(default=None, init=False, repr=False, compare=False)  # cached

    @property
    def count(self) -> int:
        """Values."""
        return self.moments.count

    def cumulative(self, edges: Floats) -> tuple[Floats, Floats]:
        """How many values are less than each edge, and how many at most it. Exact where the values are kept and at
        the sketch's own edges; elsewhere values are taken as spread evenly between two of these."""
        if self.values is not None:
            less, at_most = ranks_of(self.values, edges)
            return less.astype(np.float64), at_most.astype(np.float64)
        if edges is self.edges:
            return self.less.astype(np.float64), self.at_most.astype(np.float64)
        if len(self.edges):
            places = np.minimum(np.searchsorted(self.edges, edges), len(self.edges) - 1)
            if bool((self.edges[places] == edges).all()):
                return self.less[places].astype(np.float64), self.at_most[places].astype(np.float64)
        return self._interpolated(edges)

    def _interpolated(self, edges: Floats) -> tuple[Floats, Floats]:
        if not self.count:
            return np.zeros(len(edges)), np.zeros(len(edges))
        known, below, upto = self._bounded()
        same = np.minimum(np.searchsorted(known, edges, "left"), len(known) - 1)
        after = np.maximum(same, 1)
        left, right = known[after - 1], known[after]
        share = np.minimum(np.maximum((edges - left) / np.where(right > left, right - left, 1.0), 0.0), 1.0)
        between = upto[after - 1] + share * (below[after] - upto[after - 1])
        exact = known[same] == edges
        outside = np.where(edges < known[0], 0.0, np.where(edges > known[-1], float(self.count), between))
        return np.where(exact, below[same], outside), np.where(exact, upto[same], outside)

    def _bounded(self) -> tuple[Floats, Floats, Floats]:
        """The edges with the least and the greatest value as the outermost, and the counts there; at least two."""
        if self._outer is None:
            self._outer = self._reaching()
        return self._outer

    def _reaching(self) -> tuple[Floats, Floats, Floats]:
        moments, count = self.moments, float(self.count)
        edges, less, at_most = self.edges, self.less.astype(np.float64), self.at_most.astype(np.float64)
        if not len(edges) or moments.minimum < edges[0]:
            edges, less = np.append(moments.minimum, edges), np.append(0.0, less)
            at_most = np.append(float(moments.at_minimum), at_most)
        if moments.maximum > edges[-1]:
            edges, at_most = np.append(edges, moments.maximum), np.append(at_most, count)
            less = np.append(less, count - moments.at_maximum)
        if len(edges) < 2:
            edges, less, at_most = (
                np.append(edges, np.nextafter(edges, np.inf)),
                np.append(less, at_most),
                np.tile(at_most, 2),
            )
        return edges, less, at_most

    def with_extremes(self) -> NumericalSketch:
        """The same with the least and the greatest value as its outermost edges."""
        if not self.count:
            return self
        edges, less, at_most = self._bounded()
        return NumericalSketch(self.moments, edges, less.astype(np.int64), at_most.astype(np.int64))

    def quantiles(self, shares: Floats) -> Floats:
        """The least value that this share of the values is not above (the inverse of the distribution function);
        without the values, the edge at or after it: the rank is off by less than one bin."""
        if not self.count:
            return np.full(len(shares), np.nan)
        ranks = np.minimum(np.maximum(np.ceil(np.asarray(shares) * self.count - 1e-9), 1), self.count)
        if self.values is not None:
            return self.values[ranks.astype(np.int64) - 1]
        edges, _, upto = self._bounded()
        found: Floats = edges[np.minimum(np.searchsorted(upto, ranks, "left"), len(edges) - 1)]
        return found

    def points(self) -> tuple[Floats, Floats]:
        """Values and how often each occurs: the values themselves, or the edges and, for all that lies between two of
        them, the middle."""
        if self.values is not None:
            return self.values, np.ones(len(self.values))
        edges, less, at_most = self._bounded()
        values = np.concatenate([edges, (edges[1:] + edges[:-1]) / 2])
        return values, np.concatenate([at_most - less, less[1:] - at_most[:-1]]).clip(0)

    def merge(self, other: NumericalSketch) -> None:
        """Add what another one counted: exact with the same edges, by interpolation at the union of both otherwise."""
        if self.values is not None and other.values is not None:
            self.values = np.concatenate([self.values, other.values])
            self.values.sort(kind="stable")
        else:
            edges = self.edges if np.array_equal(self.edges, other.edges) else np.union1d(self.edges, other.edges)
            mine, theirs = self.cumulative(edges), other.cumulative(edges)
            self.below, self.above = _beyond(self, other, edges)
            self.less = np.rint(mine[0] + theirs[0]).astype(np.int64)
            self.at_most = np.rint(mine[1] + theirs[1]).astype(np.int64)
            self.edges, self.values = edges, None
        self.moments.merge(other.moments)
        self._outer = None

    def compacted(self) -> NumericalSketch:
        """The same with counts at edges instead of the values."""
        if self.values is None:
            return self
        edges = edges_of(self.values)
        less, at_most = self.cumulative(edges)
        return NumericalSketch(self.moments, edges, less.astype(np.int64), at_most.astype(np.int64))


def _beyond(first: NumericalSketch, second: NumericalSketch, edges: Floats) -> tuple[float, float]:
    """What lies beyond the outermost of all edges; what lies between those of one and of the other is interpolated."""
    both = (first, second)
    below = sum(one.below for one in both if len(one.edges) and one.edges[0] == edges[0])
    return below, sum(one.above for one in both if len(one.edges) and one.edges[-1] == edges[-1])


def ranks_of(ordered: Floats, points: Floats) -> tuple[Counts, Counts]:
    """How many of the sorted values are less than each point, and how many at most it: the second is looked for only
    where a value is the point."""
    less = np.searchsorted(ordered, points, "left")
    at_most = less.copy()
    if len(ordered):
        equal = (less < len(ordered)) & (ordered[np.minimum(less, len(ordered) - 1)] == points)
        at_most[equal] = np.searchsorted(ordered, points[equal], "right")
    return less, at_most


@lru_cache(maxsize=64)
def ranks_of_edges(count: int) -> Counts:
    """Ranks (from 0) of the values that become edges: every thousandth part, and ever finer towards both ends."""
    shares = np.arange(1, BINS) / BINS
    finer = 1.0 / (TAIL * 2.0 ** np.arange(0, 24))
    finer = finer[finer * count > 1.0]
    ranks = np.ceil(np.concatenate([shares, finer, 1.0 - finer]) * count - 1e-9).clip(1, count).astype(np.int64) - 1
    return np.unique(np.concatenate([[0], ranks, [count - 1]]))


def edges_of(ordered: Floats) -> Floats:
    """The edges for these sorted values: some of themselves. None for none."""
    return np.unique(ordered[ranks_of_edges(len(ordered))]) if len(ordered) else np.zeros(0)
