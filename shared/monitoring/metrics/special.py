"""Distribution functions of tests, without SciPy: it would double what has to be imported."""

from __future__ import annotations

import math

EPSILON = 1e-16
TINY = 1e-300


def chi_squared_sf(statistic: float, degrees: float) -> float:
    """P(X >= statistic) of the chi-squared distribution; 1 for no degrees of freedom."""
    if degrees <= 0 or statistic <= 0:
        return 1.0
    shape, x = degrees / 2.0, statistic / 2.0
    if not math.isfinite(x):
        return 0.0
    scale = math.exp(shape * math.log(x) - x - math.lgamma(shape))
    return max(0.0, 1.0 - _series(shape, x) * scale) if x < shape + 1.0 else min(1.0, _fraction(shape, x) * scale)


def _series(shape: float, x: float) -> float:
    """The lower incomplete gamma function by its power series (Numerical Recipes, 3rd edition, 6.2.5)."""
    term = total = 1.0 / shape
    number = shape
    while abs(term) > abs(total) * EPSILON:
        number += 1.0
        term *= x / number
        total += term
    return total


def _fraction(shape: float, x: float) -> float:
    """The upper one by its continued fraction, with Lentz's method (6.2.7)."""
    b = x + 1.0 - shape
    c, d = 1.0 / TINY, 1.0 / b
    found = d
    for i in range(1, 100_000):
        an = -i * (i - shape)
        b += 2.0
        d = 1.0 / (an * d + b or TINY)
        c = b + an / c or TINY
        found *= d * c
        if abs(d * c - 1.0) < EPSILON * 4:
            break
    return found


def kolmogorov_sf(z: float) -> float:
    """P(sqrt(n) D >= z) in the limit (Kolmogorov, 1933)."""
    if z <= 0:
        return 1.0
    if z < 1.18:  # Jacobi's form converges faster here
        terms = (math.exp(-((2 * k - 1) ** 2) * math.pi**2 / (8 * z * z)) for k in range(1, 10))
        return 1.0 - math.sqrt(2 * math.pi) / z * sum(terms)
    total: float = sum((-1.0) ** (k - 1) * math.exp(-2.0 * k * k * z * z) for k in range(1, 20))
    return min(1.0, max(0.0, 2.0 * total))
