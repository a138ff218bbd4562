"""Numbers counted while a stream passes."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Counts, Floats
from shared.monitoring.sketches.moments import Moments, moments_of
from shared.monitoring.sketches.numerical import BINS, NumericalSketch, edges_of, ranks_of
from shared.monitoring.sketches.summary import QuantileSummary

COARSE = 2 / BINS  # between two edges that were laid early lies at most this part; with more, they are laid anew


class NumericalBuilder:
    """Keeps the values while they are few. When they become many, edges are laid from them, and from there on values
    are counted at these; a summary of all values says at the end where better edges were."""

    def __init__(self, edges: Floats | None, keep: int) -> None:
        """`edges`: of the baseline, at which is counted from the first value on; None for a baseline."""
        self._moments = Moments()
        self._kept: list[Floats] | None = [] if keep or edges is None else None
        self._kept_count, self._keep = 0, keep
        self._summary: QuantileSummary | None = None
        self._edges = edges
        self._below = self._above = 0.0
        self._less: Counts = np.zeros(0 if edges is None else len(edges), np.int64)
        self._at_most: Counts = self._less.copy()

    def add(self, ordered: Floats) -> None:
        """More finite numbers, sorted."""
        self._moments.merge(moments_of(ordered))
        self._count(ordered)
        if self._summary is not None:
            self._summary.add(ordered)
        elif self._kept is not None:
            self._kept.append(ordered)
            self._kept_count += len(ordered)
            if self._kept_count > self._keep:
                self._overflow(self._kept)
                self._kept = None

    def _count(self, ordered: Floats) -> None:
        edges = self._edges
        if edges is None or not len(edges):
            return
        less, at_most = ranks_of(ordered, edges)
        self._less += less
        self._at_most += at_most
        self._below += float((edges[0] - ordered[: less[0]]).sum())
        self._above += float((ordered[at_most[-1] :] - edges[-1]).sum())

    def _overflow(self, kept: list[Floats]) -> None:
        if self._edges is not None:
            return
        values = np.sort(np.concatenate(kept))
        self._edges, self._summary = edges_of(values), QuantileSummary()
        self._less = np.zeros(len(self._edges), np.int64)
        self._at_most = self._less.copy()
        self._count(values)
        self._summary.add(values)

    def better_edges(self) -> Floats | None:
        """Edges that divide all values more evenly than those laid from the first ones. None where these do well."""
        if self._summary is None or self._edges is None:
            return None
        upto = np.concatenate([[0], self._at_most])
        between = np.concatenate([self._less, [self._moments.count]]) - upto
        if between.max() <= COARSE * self._moments.count:
            return None
        return np.union1d(edges_of(self._summary.ordered()), [self._moments.minimum, self._moments.maximum])

    def finish(self) -> NumericalSketch:
        """The sketch of everything that was added."""
        values = None
        if self._kept is not None:
            values = self._kept[0] if len(self._kept) == 1 else np.sort(np.concatenate([*self._kept, np.zeros(0)]))
        if self._edges is None:
            return NumericalSketch(self._moments, values=values)
        beyond = (self._below, self._above)
        found = NumericalSketch(self._moments, self._edges, self._less, self._at_most, *beyond, values)
        return found if self._summary is None else found.with_extremes()
