"""Metrics of whole rows, calculated on a sample where they are asked for."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import LARGEST, Floats
from shared.monitoring.judging import judged, unjudged
from shared.monitoring.metrics.metric import NUMERICAL, Found
from shared.monitoring.metrics.table import metric_of
from shared.monitoring.row_sample import sampled
from shared.monitoring.rows import Rows
from shared.monitoring.settings import Settings
from shared.monitoring.sides import Sides
from shared.resources.monitor_request import SignalRequest
from shared.resources.monitor_result import MetricValue, Verdict

SIZE = 2_000  # rows of each side
FAR = 1e6  # standard deviations that are told apart


def multivariate(signal: SignalRequest, sides: Sides, settings: Settings) -> list[MetricValue]:
    """Those of `overall`, over the numerical features; a null stands at the baseline's mean. Raises Invalid for an
    unknown metric."""
    wanted = {name: (metric_of(name, "multivariate"), limit) for name, limit in (signal.overall or {}).items()}
    if not wanted:
        return []
    reference = signal.reference
    columns = [name for name, kind in sides.types.items() if kind == NUMERICAL and sides.baseline.columns[name].values]
    if reference is None or not (reference.files and signal.production.files and columns):
        why = "whole rows are needed: numerical features, and files instead of sketches"
        return [unjudged(metric, limit, Verdict.FAILED, why) for metric, limit in wanted.values()]
    first = sampled(Rows(reference), columns, SIZE, settings.seed)
    second = sampled(Rows(signal.production), columns, SIZE, settings.seed + 1)
    if (least := min(len(first), len(second))) < settings.minimum_sample_size:
        why = f"{least} rows: at least {settings.minimum_sample_size} are needed"
        return [unjudged(metric, limit, Verdict.NOT_ENOUGH_DATA, why) for metric, limit in wanted.values()]
    first, second = (np.where(np.abs(one) <= LARGEST, one, np.nan) for one in (first, second))
    first[0] = np.where(np.isnan(first).all(axis=0), 0.0, first[0])  # a column may have no value in the sample
    mean, std = np.nanmean(first, axis=0), np.nanstd(first, axis=0)
    rows = [_scaled(one, mean, std) for one in (first, second)]
    found = []
    for metric, limit in wanted.values():
        assert metric.compute is not None
        result: Found = metric.compute(rows[0], rows[1], settings.seed)
        found.append(judged(metric, result, limit, companion=result.p_value, rate=settings.false_alarm_rate,
                            compatibility=settings.compatibility))  # fmt: skip
    return found


def _scaled(rows: Floats, mean: Floats, std: Floats) -> Floats:
    return np.nan_to_num((rows - mean) / np.where(std > 0, std, 1.0), posinf=0.0, neginf=0.0).clip(-FAR, FAR)
