"""Custom signals: what a component of one's own is given; pure."""

from __future__ import annotations

from typing import Any

from shared.errors import Invalid, NotSupported
from shared.monitors.column_names import BOTH
from shared.monitors.run_plan import ComponentPlan, Sources
from shared.resources.monitor import CustomSignal
from shared.resources.monitor_request import DataSet
from shared.resources.references import AssetReference, parse_reference

LATEST = "latest"


def custom(signal: CustomSignal, sources: Sources) -> dict[str, Any]:
    """Data by the inputs of the component, and the thresholds of its metrics; the component goes into the plan."""
    plan = sources.plan
    data: dict[str, DataSet] = {}
    for name, said in signal.input_data.items():
        context = str(said.data_context or "model_inputs").lower()
        if said.input_data is None and context not in ("model_inputs", "model_outputs"):
            raise Invalid(f"{name} is {context}, which is not collected", remedy="give its input_data")
        data[name] = sources.production(said, context, BOTH)
    values = {name: _value(name, given) for name, given in signal.inputs.items()}
    if twice := sorted(set(data) & set(values)):
        raise Invalid(f"{twice[0]} is given twice", remedy="give it in input_data or in inputs")
    plan.components[_key(signal, sources)] = _component(signal, values)
    thresholds = {one.metric_name: one.threshold for one in signal.metric_thresholds}
    return {"production": DataSet(label=f"metrics of {signal.component_id}"), "inputs": data, "overall": thresholds}


def _key(signal: CustomSignal, sources: Sources) -> str:
    signals = sources.monitor.create_monitor.monitoring_signals or {}
    return next(name for name, one in signals.items() if one is signal)


def _component(signal: CustomSignal, values: dict[str, str]) -> ComponentPlan:
    try:
        found = parse_reference(signal.component_id)
    except ValueError as error:
        raise Invalid(f"{signal.component_id!r} {error}", remedy="name a component: azureml:NAME:VERSION") from error
    if not isinstance(found, AssetReference) or found.registry or found.label not in (None, LATEST):
        raise NotSupported(
            f"the component {signal.component_id!r} is not here", remedy="name one that is: azureml:NAME:VERSION"
        )
    connection = signal.connection
    if connection is not None and connection.secret_config:
        raise NotSupported("secrets are not given to custom signals", remedy="leave secret_config out")
    variables = dict(connection.environment_variables) if connection is not None else {}
    return ComponentPlan(found.name, found.version or LATEST, values, variables)


def _value(name: str, given: Any) -> str:
    value = given if isinstance(given, str | int | float | bool) else None
    if value is None:
        raise NotSupported(f"the input {name} names data or a model", remedy="give data in input_data, and values here")
    return str(value).lower() if isinstance(value, bool) else str(value)
