"""What the statistics are asked in a run of a monitor; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.datasets.versions import LATEST
from shared.errors import NotSupported
from shared.monitors.checking import INPUTS, OUTPUTS, deployment_of
from shared.monitors.collected_layout import collection_folder
from shared.monitors.windows import Window, production_window, reference_window
from shared.resources.monitor import DataDrift, DataQuality, MonitorDeclaration, PredictionDrift
from shared.resources.monitor_data import MonitoredData
from shared.resources.monitor_request import DataSet, MonitorRequest, SignalRequest
from shared.resources.references import AssetReference, parse_reference

_Read = DataDrift | DataQuality | PredictionDrift


@dataclass(frozen=True, slots=True)
class RunPlan:
    """One run."""

    request: MonitorRequest  # its data sets have labels and no files
    collected: dict[str, str]  # label -> ENDPOINT/DEPLOYMENT/COLLECTION
    assets: dict[str, tuple[str, str]]  # label -> name of a data asset, and its version or `latest`
    alerting: tuple[str, ...]  # signals whose breach is announced


def plan_run(monitor: MonitorDeclaration, name: str, run_id: str, due_at: datetime) -> RunPlan:
    """What a run due at this time is asked. Raises NotSupported for signals and data that are not read yet."""
    deployment = deployment_of(monitor)
    if not deployment:
        raise NotSupported(
            f"the monitor {name} names no deployment of this control plane",
            remedy="name one: monitoring_target.endpoint_deployment_id: azureml:ENDPOINT:DEPLOYMENT",
        )
    endpoint, _, short = deployment.partition(".")
    plan = RunPlan(
        MonitorRequest.model_construct(
            monitor=name, run_id=run_id, created_at=due_at, endpoint=f"{endpoint}/{short}", signals=[]
        ),
        {},
        {},
        tuple(key for key, signal in _signals(monitor).items() if signal.alert_enabled),
    )
    for key, signal in _signals(monitor).items():
        plan.request.signals.append(_signal(plan, monitor, key, signal, (endpoint, short), due_at))
    return plan


def _signals(monitor: MonitorDeclaration) -> dict[str, _Read]:
    """Those that are declared; else Azure ML's default ones, which alert where somebody is to be told."""
    said = monitor.create_monitor.monitoring_signals
    if said is None:
        is_told = monitor.create_monitor.alert_notification is not None
        return {
            "data_drift": DataDrift(type="data_drift", alert_enabled=is_told),
            "prediction_drift": PredictionDrift(type="prediction_drift", alert_enabled=is_told),
            "data_quality": DataQuality(type="data_quality", alert_enabled=is_told),
        }
    found: dict[str, _Read] = {}
    for key, signal in said.items():
        if not isinstance(signal, _Read):
            raise NotSupported(
                f"the signal {key} is {signal.type}, which is not run yet",
                remedy="use data_drift, data_quality or prediction_drift",
            )
        found[key] = signal
    return found


def _signal(
    plan: RunPlan, monitor: MonitorDeclaration, key: str, signal: _Read, deployment: tuple[str, str], at: datetime
) -> SignalRequest:
    collection = OUTPUTS if isinstance(signal, PredictionDrift) else INPUTS
    folder = collection_folder(*deployment, collection)
    said = signal.production_data
    if said is not None and said.input_data is not None:
        raise NotSupported(f"the signal {key} names production data, which are not read yet", remedy="leave them out")
    trigger = monitor.trigger
    production = production_window(said.data_window if said else None, trigger, at)
    label = f"{folder} {production.start:%Y-%m-%dT%H:%M:%SZ}"
    plan.collected[label] = folder
    reference = _reference(plan, signal.reference_data, folder)
    if reference.label in plan.assets:
        return _asked(key, signal, DataSet(label=label, **_times(production)), reference)
    said_window = signal.reference_data.data_window if signal.reference_data else None
    window = reference_window(said_window, trigger, production, at)
    reference = DataSet(label=f"{folder} {window.start:%Y-%m-%dT%H:%M:%SZ} before", **_times(window))
    plan.collected[reference.label] = folder
    return _asked(key, signal, DataSet(label=label, **_times(production)), reference)


def _reference(plan: RunPlan, said: MonitoredData | None, folder: str) -> DataSet:
    """A data asset; a set of no label for what was collected before."""
    if said is None or said.input_data is None:
        return DataSet()
    found = parse_reference(said.input_data.path)
    if not isinstance(found, AssetReference) or found.registry:
        raise NotSupported(
            f"the reference data {said.input_data.path!r} of {folder} cannot be read yet",
            remedy="name a data asset of this control plane: azureml:NAME:VERSION",
        )
    if found.label not in (None, LATEST):
        raise NotSupported(f"data assets have no label {found.label!r}", remedy="name a version, or @latest")
    version = found.version or LATEST
    label = f"{found.name}:{version}"
    plan.assets[label] = (found.name, version)
    return DataSet(label=label)


def _times(window: Window) -> dict[str, datetime]:
    return {"window_start": window.start, "window_end": window.end}


def _asked(key: str, signal: _Read, production: DataSet, reference: DataSet) -> SignalRequest:
    features = getattr(signal, "features", None)
    if features is not None and not isinstance(features, list) and str(features).lower() != "all_features":
        raise NotSupported(f"the signal {key} asks for the most important features", remedy="list the features")
    if getattr(signal, "data_segment", None) is not None:
        raise NotSupported(f"the signal {key} has a data segment, which is not read yet", remedy="leave it out")
    said = signal.metric_thresholds
    if said is not None and said.threshold is not None:
        raise NotSupported(
            f"the signal {key} has one threshold for all metrics", remedy="say numerical and categorical thresholds"
        )
    thresholds = {
        kind: limits.model_dump(exclude_none=True) if (limits := getattr(said, kind, None)) else None
        for kind in ("numerical", "categorical")
    }
    return SignalRequest.model_validate(
        {
            "name": key,
            "type": signal.type.lower(),
            "production": production,
            "reference": reference,
            "features": features if isinstance(features, list) else None,
            "types": getattr(signal, "feature_type_override", None) or {},
            **thresholds,
        }
    )
