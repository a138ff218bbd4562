"""Feature attribution drift: whether the features that mattered are still those that matter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.errors import Invalid
from shared.monitoring.arrays import floats_of
from shared.monitoring.column_types import NUMERIC
from shared.monitoring.importance import ROWS, importances
from shared.monitoring.joined import CORRELATION, row_sample, with_column
from shared.monitoring.judging import judged, unjudged
from shared.monitoring.learning import learnt
from shared.monitoring.metrics.metric import Found
from shared.monitoring.metrics.table import metric_of, metrics_of
from shared.monitoring.rows import Rows
from shared.monitoring.settings import Settings
from shared.resources.importance import LearntImportance
from shared.resources.monitor_request import DataSet, SignalRequest
from shared.resources.monitor_result import DataCounts, FeatureResult, SignalResult, Verdict


def attribution(signal: SignalRequest, settings: Settings) -> SignalResult:
    """The gain of the ranking now by that of the baseline. Raises Invalid where importances are missing, or of other
    features."""
    counts = DataCounts()
    if signal.outputs is not None:
        before, now, short, new = _learnt(signal, settings, counts)
        if short:
            return _too_little(signal, settings, counts, short)
    else:
        new = []
        before = dict(signal.importance) or _mean_magnitudes(signal.reference, DataCounts())
        now = dict(signal.production_importance) or _mean_magnitudes(signal.production, counts)
    if set(before) != set(now):
        other = sorted(set(before) ^ set(now))
        raise Invalid(f"importances are of other features: {', '.join(other[:10])}", remedy="explain the same features")
    values = []
    for name, limit in _asked(signal).items():
        metric = metric_of(name, "attribution")
        assert metric.compute is not None
        values.append(
            judged(metric, Found(float(metric.compute(before, now))), limit, compatibility=settings.compatibility)
        )
    features = [FeatureResult(name=name, type="numerical", importance=weight) for name, weight in now.items()]
    return SignalResult(
        name=signal.name, type=signal.type, counts=counts, metrics=values, features=features, learnt=new
    )


def _asked(signal: SignalRequest) -> Mapping[str, float | None]:
    if signal.overall is not None:
        return signal.overall
    return {name: one.thresholds.get("slipway") for name, one in metrics_of("attribution").items()}


def _too_little(signal: SignalRequest, settings: Settings, counts: DataCounts, rows: int) -> SignalResult:
    reason = f"{rows} rows with a prediction: at least {settings.minimum_sample_size} are needed"
    values = [
        unjudged(metric_of(name, "attribution"), limit, Verdict.NOT_ENOUGH_DATA, reason)
        for name, limit in _asked(signal).items()
    ]
    return SignalResult(name=signal.name, type=signal.type, counts=counts, metrics=values)


def _learnt(
    signal: SignalRequest, settings: Settings, counts: DataCounts
) -> tuple[Mapping[str, float], Mapping[str, float], int | None, list[LearntImportance]]:
    """How much each feature matters for the target in the reference, and for the prediction now; the rows where these
    are too few to tell, None where they are not; what was learnt of the reference."""
    production, training, outputs = signal.production, signal.reference, signal.outputs
    assert training is not None
    assert outputs is not None
    target = signal.columns.truth
    then, now = Rows(training).schema, Rows(production).schema
    key, other_key = production.correlation_column or CORRELATION, outputs.correlation_column or CORRELATION
    aside = {target, key, CORRELATION, training.correlation_column, training.time_column, production.time_column}
    features = [name for name in then if name in now and name not in aside]
    if not features:
        raise Invalid(
            "the training data and the inputs have no common features", remedy="collect what the model learnt from"
        )
    prediction = signal.columns.prediction or _only_prediction(outputs, target)
    asked = row_sample(production, [*features, key], ROWS, settings.seed + 1, counts)
    if asked.num_rows < settings.minimum_sample_size:
        return {}, {}, asked.num_rows, []
    joined = with_column(asked, key, outputs, other_key, prediction)
    if joined.num_rows < settings.minimum_sample_size:
        return {}, {}, joined.num_rows, []
    before, new = learnt(training, features, target, settings.seed)
    return before, importances(joined, features, joined.schema.names[-1]), None, new


def _only_prediction(outputs: DataSet, target: str) -> str:
    """The column called as the target, else the only one."""
    names = [name for name in Rows(outputs).schema if name not in (CORRELATION, outputs.time_column)]
    if target in names or len(names) == 1:
        return target if target in names else names[0]
    raise Invalid(
        f"which of {', '.join(names[:20]) or 'no columns'} is the prediction?",
        remedy="give production_data with data_context: model_outputs and data_column_names.prediction",
    )


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
