"""The exact distribution of the two-sample Kolmogorov-Smirnov statistic (Hodges, 1958): lattice paths that stay near
the diagonal. Ties make it conservative."""

from __future__ import annotations

import math

import numpy as np


def exact_sf(distance: float, first: int, second: int) -> float:
    """P(D >= distance) for samples of these sizes from one continuous distribution."""
    short, long = sorted((first, second))
    common = math.lcm(short, long)
    steps = round(distance * common)  # D is a multiple of 1 / common
    if steps <= 0:
        return 1.0
    return _equal_sizes(short, steps) if short == long else _any_sizes(short, long, steps, common)


def _equal_sizes(size: int, steps: int) -> float:
    """2 * sum of (-1)**(k + 1) * C(2n, n + k h) / C(2n, n), by Horner's rule as ratios of neighbours."""
    found = 0.0
    for k in range(size // steps, 0, -1):
        ratio = 1.0
        for j in range(steps):
            ratio *= (size - (k - 1) * steps - j) / (size + (k - 1) * steps + j + 1)
        found = ratio * (1.0 - found)
    return min(1.0, max(0.0, 2.0 * found))


def _any_sizes(short: int, long: int, steps: int, common: int) -> float:
    """1 - (paths inside) / (all paths). A row at a time, scaled so that nothing overflows."""
    across, along = common // short, common // long
    log_scale = 0.0
    low, high = 0, min(long, (steps - 1) // along)
    row = np.ones(high + 1)  # paths to (0, low), (0, low + 1)...
    for i in range(1, short + 1):
        centre = i * across
        new_low = max(0, -((steps - 1 - centre) // along))
        new_high = min(long, (steps - 1 + centre) // along)
        if new_low > new_high:
            return 1.0
        entering = np.zeros(new_high - new_low + 1)
        common_high = min(high, new_high)
        if common_high >= new_low:
            entering[: common_high - new_low + 1] = row[new_low - low : common_high - low + 1]
        row = np.cumsum(entering)
        low, high = new_low, new_high
        scale = row[-1]
        if not (0 < scale < math.inf):
            return 1.0 if scale == 0 else 0.0
        row, log_scale = row / scale, log_scale + math.log(scale)
    if high < long:
        return 1.0
    total = math.lgamma(short + long + 1) - math.lgamma(short + 1) - math.lgamma(long + 1)
    return min(1.0, max(0.0, -math.expm1(log_scale + math.log(row[long - low]) - total)))
