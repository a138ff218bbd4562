"""Population stability index: the symmetrised relative entropy of the bins, in nats."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.bins import category_counts, number_counts
from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.numerical import NumericalSketch

SMOOTHING = {"azureml": 1.0, "slipway": 0.5}  # added to each bin: an empty one would make the index infinite


def index(baseline: Floats, current: Floats, added: float) -> float:
    """sum((c - b) * ln(c / b)) over the shares of the bins."""
    bins = len(baseline)
    b = (baseline + added) / (baseline.sum() + added * bins)
    c = (current + added) / (current.sum() + added * bins)
    return float(((c - b) * np.log(c / b)).sum())


def _numbers(baseline: NumericalSketch, current: NumericalSketch, compatibility: Compatibility) -> Found:
    return Found(index(*number_counts(baseline, current, compatibility), SMOOTHING[compatibility]))


def _categories(baseline: CategoricalSketch, current: CategoricalSketch, compatibility: Compatibility) -> Found:
    return Found(index(*category_counts(baseline, current), SMOOTHING[compatibility]))


METRIC = Metric(
    "population_stability_index",
    "drift",
    "Yurdakul and Naranjo, 'Statistical properties of the population stability index', 2020",
    unit="nats",
    numerical=_numbers,
    categorical=_categories,
    usual=0.2,
)
