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
    at_minimum: int = 0  # values that are the least
    at_maximum: int = 0  # and that are the greatest

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
        self.minimum, self.at_minimum = _extreme(self.minimum, self.at_minimum, other.minimum, other.at_minimum)
        high, self.at_maximum = _extreme(-self.maximum, self.at_maximum, -other.maximum, other.at_maximum)
        self.maximum = -high


def _extreme(first: float, count: int, second: float, second_count: int) -> tuple[float, int]:
    """The lesser of two values, and how often it occurs."""
    if first == second:
        return first, count + second_count
    return (first, count) if first < second else (second, second_count)


def moments_of(ordered: Floats) -> Moments:
    """Of finite numbers that are sorted."""
    if not len(ordered):
        return Moments()
    mean = float(ordered.mean())
    centred = ordered - mean
    centred *= centred  # not np.dot: BLAS starts a thread for each core, which spin beside those that read
    low, high = float(ordered[0]), float(ordered[-1])
    at_low = int(np.searchsorted(ordered, low, "right"))
    at_high = len(ordered) - int(np.searchsorted(ordered, high, "left"))
    return Moments(len(ordered), mean, float(centred.sum()), low, high, at_low, at_high)
