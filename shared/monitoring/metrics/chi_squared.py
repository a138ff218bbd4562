"""Pearson's chi-squared test: whether categories occur as often as they did."""

from __future__ import annotations

import math

import numpy as np

from shared.monitoring.arrays import Floats
from shared.monitoring.metrics.bins import Pair, category_counts
from shared.monitoring.metrics.metric import Compatibility, Found, Metric
from shared.monitoring.metrics.special import chi_squared_sf
from shared.monitoring.sketches.categorical import CategoricalSketch

LEAST_EXPECTED = 5.0  # Cochran's rule: rarer categories are taken together


def contingency(baseline: Floats, current: Floats) -> tuple[float, float]:
    """The statistic of the 2 x k table, without Yates' correction, and its p-value
    (`scipy.stats.chi2_contingency(correction=False)`); both samples vary, so both count."""
    table = np.stack([baseline, current])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, chi_squared_sf(statistic, table.shape[1] - 1)


def goodness_of_fit(baseline: Floats, current: Floats) -> tuple[float, float]:
    """Azure ML's: the baseline's shares are taken as known without error (`scipy.stats.chisquare`)."""
    expected = baseline / baseline.sum() * current.sum()
    if bool(((expected == 0) & (current > 0)).any()):
        return math.inf, 0.0
    statistic = float(((current - expected) ** 2 / expected).sum())
    return statistic, chi_squared_sf(statistic, len(baseline) - 1)


def pooled(baseline: Floats, current: Floats) -> Pair:
    """The counts, sorted by frequency, with categories that are expected less than five times taken together."""
    total = baseline + current
    order = np.argsort(-total, kind="stable")
    baseline, current, total = baseline[order], current[order], total[order]
    least = min(baseline.sum(), current.sum()) / total.sum() * total
    kept = int((least >= LEAST_EXPECTED).sum())
    if kept == len(total):
        return baseline, current
    if least[kept:].sum() < LEAST_EXPECTED:
        kept = max(0, kept - 1)
    return tuple(np.append(one[:kept], one[kept:].sum()) for one in (baseline, current))  # type: ignore[return-value]


def _categories(baseline: CategoricalSketch, current: CategoricalSketch, compatibility: Compatibility) -> Found:
    before, now = category_counts(baseline, current)
    if compatibility == "azureml":
        statistic, p = goodness_of_fit(before, now)
    else:
        statistic, p = contingency(*pooled(before, now))
    effect = math.sqrt(min(1.0, statistic / (before.sum() + now.sum())))
    return Found(p, p, effect, "Cramer's V")


METRIC = Metric(
    "pearsons_chi_squared_test",
    "drift",
    "Pearson, 1900; homogeneity of two samples. Effect: Cramer, 1946, 21.9",
    direction="below",
    unit="p-value",
    categorical=_categories,
    least_effect=0.05,
    usual=0.05,
)
