"""Count, mean, spread, least and greatest of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from shared.monitoring.arrays import Floats


@dataclass(slots=True)
class Moments:
    """Merged by Chan, Golub and LeVeque's formula (1979); the same to rounding in any order."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of the squared deviations from the mean
    minimum: float = math.inf
    maximum: float = -math.inf

    @property
    def std(self) -> float:
        """The standard deviation of the population; 0 of nothing."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    @property
    def sample_std(self) -> float:
        """The standard deviation with Bessel's correction; 0 of fewer than two values."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else 0.0

    def merge(self, other: Moments) -> None:
        """Add what another one saw."""
        if not other.count:
            return
        total = self.count + other.count
        delta = other.mean - self.mean
        self.squares += other.squares + delta * delta * (self.count * other.count / total)
        self.mean += delta * (other.count / total)
        self.count = total
        self.minimum, self.maximum = min(self.minimum, other.minimum), max(self.maximum, other.maximum)


def moments_of(ordered: Floats) -> Moments:
    """Of finite numbers that are sorted."""
    if not len(ordered):
        return Moments()
    mean = float(ordered.mean())
    centred = ordered - mean
    return Moments(len(ordered), mean, float(np.dot(centred, centred)), float(ordered[0]), float(ordered[-1]))
