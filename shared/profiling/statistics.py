"""What a handful of noisy samples allow to be said: percentiles, intervals, steadiness, growth. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import median

RESAMPLES = 1_000
STEADY_WINDOWS = 3
STEADY_TOLERANCE = 0.10  # of the largest window


def percentile(values: Sequence[float], percent: float) -> float:
    """The value below which `percent` % of the values lie, interpolated linearly between the two nearest (Hyndman and
    Fan 1996, type 7, NumPy's default); in the unit of the values. Raises ValueError for no values, and for a percent
    outside 0 to 100."""
    if not values:
        raise ValueError("no values have no percentile")
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} is no percent (allowed: 0 to 100)")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[Sequence[float]], float] = median,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile bootstrap's interval of a statistic (Efron and Tibshirani 1993, chapter 13), in the unit of the
    values; the same for the same seed. Of one value it has no width: it says nothing about the spread. Raises
    ValueError for no values."""
    if not values:
        raise ValueError("no values have no interval")
    draw = random.Random(seed)  # noqa: S311 - no secret: a reproducible sample
    found = [statistic(draw.choices(values, k=len(values))) for _ in range(RESAMPLES)]
    tail = 100 * (1 - confidence) / 2
    return percentile(found, tail), percentile(found, 100 - tail)


def is_steady(windows: Sequence[float]) -> bool:
    """Whether the last three windows agree within 10 % of the largest; False for fewer, and for windows of nothing."""
    last = windows[-STEADY_WINDOWS:]
    if len(last) < STEADY_WINDOWS or max(last) <= 0:
        return False
    return max(last) - min(last) <= STEADY_TOLERANCE * max(last)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The Theil-Sen estimate (Sen 1968) of growth: the median of the slopes between all pairs, in y per x. It bears
    single outliers, such as a garbage collection. 0 for fewer than two different x."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for index, earlier in enumerate(points)
        for later in points[index + 1 :]
        if later[0] != earlier[0]
    ]
    return median(slopes) if slopes else 0.0
