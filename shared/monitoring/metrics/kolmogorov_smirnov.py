"""Two-sample Kolmogorov-Smirnov test: the greatest distance of the distribution functions, and its p-value."""

from __future__ import annotations

import math

import numpy as np

from shared.errors import Invalid
from shared.monitoring.arrays import Counts, Floats
from shared.monitoring.metrics.between import difference
from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.monitoring.metrics.smirnov_exact import exact_sf
from shared.monitoring.metrics.special import kolmogorov_sf
from shared.monitoring.sketches.numerical import NumericalSketch, ranks_of, ranks_of_edges

EXACT_SIZE = 10_000  # SciPy's
EXACT_PRODUCT = 250_000  # of sizes that differ: it takes time in proportion
CLEAR = 1e-8  # smaller p-values are those of the limit: the exact ones lose their digits there
PARTS = 8  # into which a gap between two values is divided


def distance(first: NumericalSketch, second: NumericalSketch) -> float:
    """D. Exact where both hold their values; else at the edges: too small by a thousandth at most."""
    if first.values is None or second.values is None:
        found = difference(first, second)
        return float(max(np.abs(found.left).max(), np.abs(found.right).max()))
    return _of_values(first.values, second.values)


def _of_values(first: Floats, second: Floats) -> float:
    """At some of the values first; then, between two of these that could be further apart, at ever more of them."""
    n, m = len(first), len(second)
    places, found = ranks_of_edges(n)[None, :], 0.0
    while places.size:
        less_f, upto_f = (ranks / n for ranks in _own_ranks(first, places))
        less_g, upto_g = (ranks / m for ranks in ranks_of(second, first[places]))
        found = float(max(found, np.abs(less_f - less_g).max(), np.abs(upto_f - upto_g).max()))
        bound = np.maximum(less_f[:, 1:] - upto_g[:, :-1], less_g[:, 1:] - upto_f[:, :-1])
        low, high = places[:, :-1], places[:, 1:]
        near = (bound > found) & (high - low > 1)
        low, width = low[near], (high - low)[near]
        places = low[:, None] + width[:, None] * np.arange(PARTS + 1) // PARTS
    return found


def _own_ranks(ordered: Floats, places: Counts) -> tuple[Counts, Counts]:
    """How many of the sorted values are less than those at these places, and how many at most them."""
    values, last = ordered[places], len(ordered) - 1
    less, upto = places.copy(), places + 1
    tied = (places > 0) & (ordered[places - 1] == values)
    less[tied] = np.searchsorted(ordered, values[tied], "left")
    tied = (places < last) & (ordered[np.minimum(places + 1, last)] == values)
    upto[tied] = np.searchsorted(ordered, values[tied], "right")
    return less, upto


def p_value(found: float, first: int, second: int, compatibility: Compatibility) -> float:
    """The exact one for small samples, the limit's otherwise."""
    limit = kolmogorov_sf(found * math.sqrt(first * second / (first + second)))
    small = max(first, second) <= EXACT_SIZE and (first == second or first * second <= EXACT_PRODUCT)
    if limit > CLEAR and (small or (compatibility == "azureml" and max(first, second) <= EXACT_SIZE)):
        return exact_sf(found, first, second)
    return limit


def _numbers(baseline: NumericalSketch, current: NumericalSketch, compatibility: Compatibility) -> Found:
    if compatibility == "azureml" and max(baseline.count, current.count) >= EXACT_SIZE:
        raise Invalid(
            f"Azure ML's Kolmogorov-Smirnov test takes fewer than {EXACT_SIZE:,} rows a side",
            remedy="use another metric, or compatibility: slipway, which takes any number",
        )
    found = distance(baseline, current)
    p = p_value(found, baseline.count, current.count, compatibility)
    return Found(p, p, found, "D")


METRIC = Metric(
    "two_sample_kolmogorov_smirnov_test",
    "drift",
    "Hodges, 'The significance probability of the Smirnov two-sample test', 1958; limit: Kolmogorov, 1933",
    direction="below",
    unit="p-value",
    numerical=_numbers,
    least_effect=0.05,
    usual=0.05,
)
