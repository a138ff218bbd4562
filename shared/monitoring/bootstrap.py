"""Confidence intervals of drift metrics by bootstrap: both sides are drawn again, as often as wanted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shared.monitoring.metrics.metric import Compatibility, Found
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.moments import Moments
from shared.monitoring.sketches.numerical import NumericalSketch
from shared.resources.monitor_result import Interval

PERCENTILES = (2.5, 97.5)
Generator = np.random.Generator


def of_numbers(
    compute: Callable[[NumericalSketch, NumericalSketch, Compatibility], Found],
    sides: tuple[NumericalSketch, NumericalSketch],
    compatibility: Compatibility,
    rng: Generator,
    times: int,
) -> Interval:
    """By counts at the baseline's edges: what lies between two edges is drawn together."""
    edges = sides[0].compacted().edges
    drawn = [[_numbers_again(one, edges, rng) for one in sides] for _ in range(times)]
    return _interval([compute(first, second, compatibility).value for first, second in drawn])


def _numbers_again(sketch: NumericalSketch, edges: np.ndarray, rng: Generator) -> NumericalSketch:
    less, at_most = sketch.cumulative(edges)
    count = sketch.count
    borders = np.maximum.accumulate(np.concatenate([[0.0], np.stack([less, at_most], axis=1).ravel(), [float(count)]]))
    drawn = np.cumsum(rng.multinomial(count, np.diff(borders) / count))[:-1]
    moments = sketch.moments
    again = Moments(count, moments.mean, moments.squares, moments.minimum, moments.maximum, 1, 1)
    return NumericalSketch(again, edges, drawn[0::2], drawn[1::2], sketch.below, sketch.above)


def of_categories(
    compute: Callable[[CategoricalSketch, CategoricalSketch, Compatibility], Found],
    sides: tuple[CategoricalSketch, CategoricalSketch],
    compatibility: Compatibility,
    rng: Generator,
    times: int,
) -> Interval:
    """By counts of categories."""
    drawn = [[_categories_again(one, rng) for one in sides] for _ in range(times)]
    return _interval([compute(first, second, compatibility).value for first, second in drawn])


def _categories_again(sketch: CategoricalSketch, rng: Generator) -> CategoricalSketch:
    counts = np.array(list(sketch.counts.values()), dtype=np.float64)
    drawn = rng.multinomial(int(counts.sum()), counts / counts.sum())
    return CategoricalSketch({name: int(n) for name, n in zip(sketch.counts, drawn, strict=True) if n})


def _interval(values: list[float]) -> Interval:
    low, high = np.percentile(values, PERCENTILES)
    return Interval(low=float(low), high=float(high))
