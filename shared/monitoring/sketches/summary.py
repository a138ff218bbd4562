"""A sample of a stream of numbers whose ranks are within a bound: it says where edges are to be laid."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats

BLOCK = 16_384  # values on each level, at least; less than twice as many


class QuantileSummary:
    """A mergeable summary (Agarwal et al., "Mergeable Summaries", PODS 2012, section 3): blocks on levels; two of a
    level become one of the next by keeping every other value. The rank of a value is off by at most
    log2(n / BLOCK) / (2 * BLOCK) of n: 0.03 % of ten million."""

    def __init__(self) -> None:
        self._levels: dict[int, Floats] = {}  # level -> sorted block; each value stands for 2**level
        self._rest: list[Floats] = []
        self._waiting = 0
        self._odd = 0

    def add(self, ordered: Floats) -> None:
        """More values."""
        if len(ordered) < BLOCK:
            self._rest.append(ordered)
            self._waiting += len(ordered)
            if self._waiting < BLOCK:
                return
            ordered = np.sort(np.concatenate(self._rest))
            self._rest, self._waiting = [], 0
        level = (len(ordered) // BLOCK).bit_length() - 1
        self._odd += 1
        self._push(ordered[self._odd % 2**level :: 2**level].copy(), level)

    def _push(self, block: Floats, level: int) -> None:
        while (other := self._levels.pop(level, None)) is not None:
            both = np.concatenate([other, block])
            both.sort(kind="stable")
            self._odd += 1  # in turns: errors of following merges cancel
            block, level = both[self._odd % 2 :: 2].copy(), level + 1
        self._levels[level] = block

    def ordered(self) -> Floats:
        """Values at evenly spaced ranks, as many as the summary holds apart; sorted."""
        parts = [(block, float(2**level)) for level, block in self._levels.items()]
        parts += [(rest, 1.0) for rest in self._rest if len(rest)]
        if not parts:
            return np.zeros(0)
        values = np.concatenate([block for block, _ in parts])
        weights = np.concatenate([np.full(len(block), weight) for block, weight in parts])
        order = np.argsort(values, kind="stable")
        upto = np.cumsum(weights[order])
        ranks = np.linspace(0.0, upto[-1], 8 * BLOCK + 1)[1:]
        found: Floats = values[order][np.searchsorted(upto, ranks, "left").clip(0, len(values) - 1)]
        return found
