"""Feature attribution drift: whether the features that mattered are still those that matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.errors import Invalid
from shared.monitoring.arrays import floats_of
from shared.monitoring.column_types import NUMERIC
from shared.monitoring.judging import judged
from shared.monitoring.metrics.metric import Found
from shared.monitoring.metrics.table import metric_of, metrics_of
from shared.monitoring.rows import Rows
from shared.monitoring.settings import Settings
from shared.resources.monitor_request import DataSet, SignalRequest
from shared.resources.monitor_result import DataCounts, FeatureResult, SignalResult


def attribution(signal: SignalRequest, settings: Settings) -> SignalResult:
    """The gain of the ranking now by that of the baseline. Raises Invalid where importances are missing, or of other
    features."""
    counts = DataCounts()
    before = dict(signal.importance) or _mean_magnitudes(signal.reference, DataCounts())
    now = dict(signal.production_importance) or _mean_magnitudes(signal.production, counts)
    if set(before) != set(now):
        other = sorted(set(before) ^ set(now))
        raise Invalid(f"importances are of other features: {', '.join(other[:10])}", remedy="explain the same features")
    metrics = metrics_of("attribution")
    asked = (
        signal.overall if signal.overall is not None else {n: m.thresholds.get("slipway") for n, m in metrics.items()}
    )
    values = []
    for name, limit in asked.items():
        metric = metric_of(name, "attribution")
        assert metric.compute is not None
        values.append(
            judged(metric, Found(float(metric.compute(before, now))), limit, compatibility=settings.compatibility)
        )
    features = [FeatureResult(name=name, type="numerical", importance=weight) for name, weight in now.items()]
    return SignalResult(name=signal.name, type=signal.type, counts=counts, metrics=values, features=features)


def _mean_magnitudes(data: DataSet | None, counts: DataCounts) -> Mapping[str, float]:
    """Of data whose columns are explanations: contributions of features to predictions, a row each."""
    if data is None or not data.files:
        raise Invalid("there are no importances", remedy="give data whose columns are the features' contributions")
    rows = Rows(data)
    skipped = {data.time_column, data.correlation_column, data.segment_column}
    names = [name for name, kind in rows.schema.items() if kind in NUMERIC and name not in skipped]
    sums, numbers = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    for batch in rows.batches(names, counts):
        for name in batch.schema.names:
            values = floats_of(batch.column(name))[0]
            held = np.isfinite(values)
            sums[name] += float(np.abs(values[held]).sum())
            numbers[name] += int(held.sum())
    return {name: sums[name] / numbers[name] if numbers[name] else 0.0 for name in names}
