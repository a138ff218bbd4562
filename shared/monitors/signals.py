"""What each signal of a monitor asks of the statistics; pure. Adding a kind of signal is a function, and its line in
the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import Invalid, NotSupported
from shared.monitors.column_names import BOTH, PREDICTIONS, TRUTHS, meanings
from shared.monitors.custom_signal import custom
from shared.monitors.run_plan import Sources
from shared.resources.monitor import (
    DataDrift,
    DataQuality,
    FeatureAttributionDrift,
    ModelPerformance,
    PredictionDrift,
    TopFeatures,
)
from shared.resources.monitor_data import MonitoredData
from shared.resources.monitor_request import DataSet
from shared.resources.monitor_result import INFRASTRUCTURE

INPUTS, OUTPUTS = "model_inputs", "model_outputs"
Asked = dict[str, Any]  # fields of a SignalRequest


def compared(signal: DataDrift | DataQuality | PredictionDrift, sources: Sources) -> Asked:
    """Distributions now and before."""
    collection = OUTPUTS if isinstance(signal, PredictionDrift) else INPUTS
    said = signal.reference_data
    production = sources.production(signal.production_data, collection, PREDICTIONS)
    reference = sources.reference(said, collection, TRUTHS, production)
    for data in (production, reference):
        _keep_segment(signal, data)
    return {
        "production": production,
        "reference": reference,
        "types": getattr(signal, "feature_type_override", None) or {},
        **_features(getattr(signal, "features", None), said, reference),
        **_drift_thresholds(signal.metric_thresholds),
    }


def _features(said: Any, reference: MonitoredData | None, data: DataSet) -> Asked:
    if not isinstance(said, TopFeatures):
        return {"features": said if isinstance(said, list) else None}
    target = meanings(reference.data_column_names, TRUTHS).get("target") if reference else None
    if reference is None or reference.input_data is None or not target:
        raise Invalid(
            "the most important features are asked for, and no training data say how much each matters",
            remedy="name a data asset with its target: reference_data.input_data and data_column_names.target_column",
        )
    training = DataSet(label=data.label)
    return {"top_features": said.top_n_feature_importance, "training": training, "columns": {"truth": target}}


def _keep_segment(signal: Any, data: DataSet) -> None:
    said = getattr(signal, "data_segment", None)
    if said is None:
        return
    if not said.feature_name or not said.feature_values:
        raise Invalid("the data segment says not which rows count", remedy="give feature_name and feature_values")
    data.segment_column, data.segment_values = said.feature_name, list(said.feature_values)


def _drift_thresholds(said: Any) -> Asked:
    _no_single(said, "numerical and categorical metrics")
    return {kind: _given(getattr(said, kind, None)) for kind in ("numerical", "categorical")}


def _no_single(said: Any, instead: str) -> None:
    if said is not None and said.threshold is not None:
        raise NotSupported("there is one threshold for all metrics", remedy=f"give thresholds of {instead}")


def _given(limits: Any) -> dict[str, float] | None:
    return limits.model_dump(exclude_none=True) if limits is not None else None


def performance(signal: ModelPerformance, sources: Sources) -> Asked:
    """Predictions beside what was true, joined by correlation id where they are apart."""
    truth_apart = signal.reference_data is not None
    said = signal.production_data
    production = sources.production(said, OUTPUTS, PREDICTIONS if truth_apart else BOTH)
    names = meanings(said.data_column_names, PREDICTIONS if truth_apart else BOTH) if said else {}
    reference, truth = None, names.get("target")
    if signal.reference_data is not None:
        if signal.reference_data.input_data is None:
            raise Invalid("nothing says where the labels are", remedy="name a data asset: reference_data.input_data")
        reference = sources.reference(signal.reference_data, OUTPUTS, TRUTHS, production)
        truth = meanings(signal.reference_data.data_column_names, TRUTHS).get("target")
    if not truth or "prediction" not in names:
        raise Invalid(
            "nothing says which columns are compared",
            remedy="give production_data.data_column_names.prediction and reference_data.data_column_names.target",
        )
    columns = {"prediction": names["prediction"], "probability": names.get("probability", ""), "truth": truth}
    segment = _segment(signal, sources, production)
    found = {"production": production, "reference": reference, "segment": segment, "columns": columns}
    return {**found, **_task(signal, sources)}


def _segment(signal: ModelPerformance, sources: Sources, production: DataSet) -> DataSet | None:
    """The inputs of the requests that count: features are not collected with predictions. None for all, and where the
    data of production hold them."""
    if signal.data_segment is None or production.label in sources.plan.assets:
        _keep_segment(signal, production)
        return None
    said = signal.production_data
    window = MonitoredData(data_window=said.data_window) if said is not None and said.data_window else None
    inputs = sources.production(window, INPUTS, {})
    _keep_segment(signal, inputs)
    return inputs


def _task(signal: ModelPerformance, sources: Sources) -> Asked:
    said, target = signal.metric_thresholds, sources.monitor.create_monitor.monitoring_target
    _no_single(said, "classification or regression")
    given = [kind for kind in ("classification", "regression") if getattr(said, kind, None) is not None]
    task = (target.ml_task if target else None) or (given[0] if len(given) == 1 else "")
    if task.lower() not in ("classification", "regression"):
        raise Invalid("nothing says what the model does", remedy="give ml_task: classification or regression")
    if any(kind != task.lower() for kind in given):
        raise Invalid(f"there are thresholds of {given[0]}, and the task is {task}", remedy=f"give those of {task}")
    return {"task": task.lower(), "overall": _given(getattr(said, task.lower(), None))}


def attribution(signal: FeatureAttributionDrift, sources: Sources) -> Asked:
    """How much each feature matters now and at training: by its weight for target and prediction, or by explanations
    that were given."""
    said = {str(one.data_context or INPUTS).lower(): one for one in signal.production_data or []}
    if unknown := sorted(set(said) - {INPUTS, OUTPUTS}):
        raise Invalid(f"production data have the context {unknown[0]}", remedy=f"give {INPUTS} and {OUTPUTS}")
    limits = signal.metric_thresholds
    single = limits.threshold if limits is not None else None
    named = limits.normalized_discounted_cumulative_gain if limits is not None else None
    limit = single if named is None else named
    production = sources.production(said.get(INPUTS), INPUTS, PREDICTIONS)
    reference = sources.reference(signal.reference_data, INPUTS, TRUTHS, production)
    target = meanings(signal.reference_data.data_column_names, TRUTHS).get("target")
    overall = None if limit is None else {"normalized_discounted_cumulative_gain": limit}
    found: Asked = {"production": production, "reference": reference, "overall": overall}
    if signal.reference_data.input_data is None:
        raise Invalid("nothing says which data the model learnt from", remedy="give reference_data.input_data")
    if target:
        outputs = sources.production(said.get(OUTPUTS), OUTPUTS, PREDICTIONS)
        names = meanings(said[OUTPUTS].data_column_names, PREDICTIONS) if OUTPUTS in said else {}
        return {**found, "outputs": outputs, "columns": {"truth": target, "prediction": names.get("prediction", "")}}
    if said.get(INPUTS) is None or said[INPUTS].input_data is None:
        raise Invalid(
            "nothing says which column of the training data is the target",
            remedy="give reference_data.data_column_names.target_column; or explanations as production and reference",
        )
    return found


SIGNALS: Mapping[str, Callable[[Any, Sources], Asked]] = {
    "data_drift": compared,
    "data_quality": compared,
    "prediction_drift": compared,
    "feature_attribution_drift": attribution,
    "model_performance": performance,
    "custom": custom,
}


def asked_of(signal: Any, sources: Sources) -> Asked:
    """The fields of the signal's request. Raises NotSupported and Invalid for what cannot be calculated."""
    kind = str(signal.type).lower()
    if kind not in SIGNALS:
        raise NotSupported(
            f"signals of the type {kind} are not run", remedy=f"use {', '.join((*SIGNALS, INFRASTRUCTURE))}"
        )
    return {"type": kind, **SIGNALS[kind](signal, sources)}
