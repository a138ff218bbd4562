"""Data quality: values that are missing, of another type, or where there were none."""

from __future__ import annotations

import numpy as np

from shared.monitoring.column_types import ColumnType
from shared.monitoring.judging import adjusted, crosses
from shared.monitoring.metrics.chi_squared import contingency
from shared.monitoring.metrics.metric import CATEGORICAL, NUMERICAL, Metric
from shared.monitoring.metrics.table import metric_of, metrics_of
from shared.monitoring.settings import Settings
from shared.monitoring.sides import Sides, sides_of
from shared.monitoring.sketches.column import ColumnSketch
from shared.resources.monitor_request import FeatureType, SignalRequest
from shared.resources.monitor_result import FeatureResult, MetricValue, SignalResult, Verdict

TOLERATED = 0.01  # beyond the baseline's own rate, where no threshold was given
DIGITS = 5  # Azure ML's rounding


def quality(signal: SignalRequest, settings: Settings) -> SignalResult:
    """Every column of the baseline; one that production does not have any more has failed."""
    wanted = {kind: _wanted(signal, kind, settings) for kind in (NUMERICAL, CATEGORICAL)}
    sides = sides_of(signal, settings.compatibility, quality=True)
    names = [name for name in sides.types if name in sides.current.columns]
    chances = dict(zip(names, adjusted([_chance(sides, name) for name in names]), strict=True))
    features = [_feature(sides, name, wanted[sides.types[name]], chances[name], settings) for name in names]
    features += [_gone(name) for name in sides.was if name not in sides.now and signal.features is None]
    return SignalResult(name=signal.name, type=signal.type, counts=sides.current.counts, features=features)


def _wanted(signal: SignalRequest, kind: str, settings: Settings) -> dict[str, float | None]:
    """Threshold by metric; NaN for the one that Slipway finds by itself. Raises Invalid for an unknown metric."""
    asked = signal.numerical if kind == NUMERICAL else signal.categorical
    if asked is not None:
        return {metric_of(name, "quality").name: limit for name, limit in asked.items()}
    if settings.compatibility == "azureml":
        return {name: one.thresholds["azureml"] for name, one in metrics_of("quality").items() if one.thresholds}
    shown = [name for name in metrics_of("quality") if kind == CATEGORICAL or name != "new_category_rate"]
    return dict.fromkeys(shown, float("nan"))


def _chance(sides: Sides, name: str) -> float:
    """The p-value of nulls being as frequent as they were."""
    before, now = sides.baseline.columns[name], sides.current.columns[name]
    if not (before.rows and now.rows) or not 0 < before.nulls + now.nulls < before.rows + now.rows:
        return 1.0
    table = [np.array([float(one.nulls), float(one.rows - one.nulls)]) for one in (before, now)]
    return contingency(table[0], table[1])[1]


def _feature(
    sides: Sides, name: str, wanted: dict[str, float | None], chance: float, settings: Settings
) -> FeatureResult:
    before, now = sides.baseline.columns[name], sides.current.columns[name]
    kind: FeatureType = sides.types[name]
    return FeatureResult(
        name=name,
        type=kind,
        baseline_count=before.rows,
        current_count=now.rows,
        baseline_null_count=before.nulls,
        current_null_count=now.nulls,
        metrics=[
            _value(metric_of(metric, "quality"), before, now, limit, chance, settings)
            for metric, limit in wanted.items()
        ],
    )


def _value(
    metric: Metric, before: ColumnSketch, now: ColumnSketch, limit: float | None, chance: float, settings: Settings
) -> MetricValue:
    own = limit is not None and limit != limit
    threshold = _own_threshold(metric, before) if own else limit
    found = MetricValue(metric=metric.name, unit=metric.unit, threshold=threshold)
    if now.rows < (1 if settings.compatibility == "azureml" else settings.minimum_sample_size):
        reason = f"{now.rows} rows: at least {settings.minimum_sample_size} are needed"
        return found.model_copy(update={"verdict": Verdict.NOT_ENOUGH_DATA, "reason": reason})
    assert metric.compute is not None
    unbounded = metric.name == "out_of_bounds_rate" and before.type in (ColumnType.TIME, ColumnType.BOOLEAN)
    value = 0.0 if unbounded else float(metric.compute(before, now))
    found.value = round(value, DIGITS) if settings.compatibility == "azureml" else value
    if metric.name == "null_value_rate" and own:
        found.adjusted_p_value = chance
    if threshold is not None and crosses(found.value, threshold, metric.direction):
        found.reason = f"{found.value:.4g} is above {threshold:.4g}"
        if found.adjusted_p_value is not None and chance > settings.false_alarm_rate:
            found.reason += f", adjusted p-value {chance:.2g}: as much happens by chance"
        else:
            found.verdict = Verdict.BREACHED
    return found


def _own_threshold(metric: Metric, before: ColumnSketch) -> float:
    """A little more than the baseline's own rate."""
    assert metric.compute is not None
    return float(metric.compute(before, before)) + TOLERATED


def _gone(name: str) -> FeatureResult:
    reason = f"the production data have no column {name!r} any more"
    value = MetricValue(metric="null_value_rate", unit="share", verdict=Verdict.FAILED, reason=reason)
    return FeatureResult(name=name, type="categorical", metrics=[value])
