"""Metrics of one's own: what a component wrote, judged by the thresholds of its signal."""

from __future__ import annotations

import math
from typing import Any

from shared.errors import Invalid
from shared.monitoring.judging import crosses
from shared.monitoring.rows import Rows
from shared.monitoring.settings import Settings
from shared.resources.monitor_request import SignalRequest
from shared.resources.monitor_result import DataCounts, FeatureResult, MetricValue, SignalResult, Verdict

NAME, VALUE, THRESHOLD = "metric_name", "metric_value", "threshold_value"
GROUPS = ("feature_name", "group", "group_dimension")  # columns that say of what a metric is
MAX_ROWS = 10_000


def custom(signal: SignalRequest, settings: Settings) -> SignalResult:
    """A metric a row: those of a feature or a group with it, the others of the signal. A metric without a threshold is
    shown. Raises Invalid for data that hold no metrics, and for a threshold of a metric that is not among them."""
    counts, rows = DataCounts(), _rows(signal)
    found = SignalResult(name=signal.name, type=signal.type, counts=counts)
    groups: dict[str, FeatureResult] = {}
    limits = signal.overall or {}
    for row in rows:
        metric = _metric(row, limits)
        group = next((str(row[name]) for name in GROUPS if row.get(name)), "")
        if not group:
            found.metrics.append(metric)
            continue
        groups.setdefault(group, FeatureResult(name=group, type="numerical")).metrics.append(metric)
    found.features = list(groups.values())
    written = {str(row.get(NAME)) for row in rows}
    if missing := [name for name, limit in limits.items() if limit is not None and name not in written]:
        raise Invalid(
            f"the component wrote no metric {missing[0]!r}", remedy=f"it wrote {', '.join(sorted(written)) or 'none'}"
        )
    return found


def _rows(signal: SignalRequest) -> list[dict[str, Any]]:
    rows = Rows(signal.production)
    if missing := [name for name in (NAME, VALUE) if name not in rows.schema]:
        raise Invalid(
            f"the component's metrics have no column {missing[0]!r}",
            remedy=f"write the columns {NAME} and {VALUE}, and {', '.join((*GROUPS, THRESHOLD))} where there are such",
        )
    columns = [name for name in (NAME, VALUE, THRESHOLD, *GROUPS) if name in rows.schema]
    found = [row for batch in rows.batches(columns) for row in batch.to_pylist()]
    if len(found) > MAX_ROWS:
        raise Invalid(f"the component wrote {len(found)} metrics", remedy=f"write at most {MAX_ROWS}")
    return found


def _metric(row: dict[str, Any], limits: dict[str, float | None]) -> MetricValue:
    name, value = str(row[NAME]), _number(row[VALUE])
    limit = limits.get(name)
    limit = _number(row.get(THRESHOLD)) if limit is None else limit
    metric = MetricValue(metric=name, value=value, threshold=limit)
    if value is None:
        return metric.model_copy(update={"verdict": Verdict.FAILED, "reason": f"its value is {row[VALUE]}"})
    if limit is not None and crosses(value, limit, metric.direction):
        reason = f"{value:.4g} is above {limit:g}"
        return metric.model_copy(update={"verdict": Verdict.BREACHED, "reason": reason})
    return metric


def _number(value: Any) -> float | None:
    """A finite number, None for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None
