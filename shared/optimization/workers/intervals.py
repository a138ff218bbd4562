"""Confidence intervals of ratios of medians, by the percentile bootstrap (Efron 1979, "Bootstrap Methods")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
CONFIDENCE = 0.95
SEED = 0  # the same measurements give the same interval


@dataclass(frozen=True)
class Ratio:
    """A ratio, and what it was in each draw."""

    value: float
    draws: np.ndarray

    def document(self) -> dict[str, float]:
        """Value and interval."""
        tail = (1 - CONFIDENCE) / 2
        low, high = np.quantile(self.draws, (tail, 1 - tail))
        return {"value": self.value, "low": float(low), "high": float(high)}


def median_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Ratio:
    """Median of `numerator` by median of `denominator`. Both were measured in the same rounds, so rounds are drawn, not
    values: a slow minute hits both. Raises ValueError for different lengths or none."""
    above, below = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    if len(above) != len(below) or not len(above):
        raise ValueError(f"{len(above)} and {len(below)} measurements are not of the same rounds")
    chosen = np.random.default_rng(SEED).integers(0, len(above), (DRAWS, len(above)))
    draws = np.median(above[chosen], axis=1) / np.median(below[chosen], axis=1)
    return Ratio(float(np.median(above) / np.median(below)), draws)


def overall_ratio(ratios: Sequence[Ratio]) -> Ratio:
    """The geometric mean of ratios that were measured apart from each other, draw by draw. Raises ValueError for ()."""
    if not ratios:
        raise ValueError("there is no ratio to take the mean of")
    generator = np.random.default_rng(SEED)
    logs = np.stack([generator.permutation(np.log(one.draws)) for one in ratios])
    value = float(np.exp(np.mean([np.log(one.value) for one in ratios])))
    return Ratio(value, np.exp(logs.mean(axis=0)))
