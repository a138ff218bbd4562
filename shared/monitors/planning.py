"""What the statistics are asked in a run of a monitor; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.errors import NotSupported
from shared.monitors.infrastructure_limits import limits_of
from shared.monitors.run_plan import RunPlan, Sources
from shared.monitors.signals import asked_of
from shared.monitors.target import deployment_of
from shared.resources.monitor import DataDrift, DataQuality, InfrastructureSignal, MonitorDeclaration, PredictionDrift
from shared.resources.monitor_request import MonitorRequest, SignalRequest


def plan_run(monitor: MonitorDeclaration, name: str, run_id: str, due_at: datetime) -> RunPlan:
    """What a run due at this time is asked. Raises NotSupported and Invalid for signals and data that are not read."""
    signals = signals_of(monitor)
    plan = _empty(monitor, name, run_id, due_at)
    for key, signal in signals.items():
        _add(plan, monitor, key, signal, due_at)
    return plan


def check_signal(monitor: MonitorDeclaration, key: str, due_at: datetime) -> RunPlan:
    """The plan of one signal alone. Raises as plan_run."""
    plan = _empty(monitor, "", "", due_at)
    _add(plan, monitor, key, signals_of(monitor)[key], due_at)
    return plan


def _empty(monitor: MonitorDeclaration, name: str, run_id: str, due_at: datetime) -> RunPlan:
    endpoint, _, short = deployment_of(monitor).partition(".")
    alerting = tuple(key for key, signal in signals_of(monitor).items() if signal.alert_enabled)
    request = MonitorRequest.model_construct(
        monitor=name, run_id=run_id, created_at=due_at, endpoint=f"{endpoint}/{short}" if endpoint else "", signals=[]
    )
    order = tuple(signals_of(monitor))
    return RunPlan(request, alerting=alerting, deployment=deployment_of(monitor), order=order)


def _add(plan: RunPlan, monitor: MonitorDeclaration, key: str, signal: Any, due_at: datetime) -> None:
    """Signals that are judged by figures are no work of the statistics."""
    if isinstance(signal, InfrastructureSignal):
        plan.infrastructure[key] = limits_of(signal, plan.deployment)
    else:
        plan.request.signals.append(_planned(plan, monitor, key, signal, due_at))


def _planned(plan: RunPlan, monitor: MonitorDeclaration, key: str, signal: Any, due_at: datetime) -> SignalRequest:
    sources = Sources(plan, monitor, deployment_of(monitor), due_at)
    try:
        return SignalRequest.model_validate({"name": key, **asked_of(signal, sources)})
    except NotSupported as error:
        raise NotSupported(f"the signal {key}: {error.message}", remedy=error.remedy) from error


def signals_of(monitor: MonitorDeclaration) -> Mapping[str, Any]:
    """Those that are declared; else Azure ML's default ones, which alert where somebody is to be told."""
    said = monitor.create_monitor.monitoring_signals
    if said is not None:
        return said
    is_told = monitor.create_monitor.alert_notification is not None
    return {
        "data_drift": DataDrift(type="data_drift", alert_enabled=is_told),
        "prediction_drift": PredictionDrift(type="prediction_drift", alert_enabled=is_told),
        "data_quality": DataQuality(type="data_quality", alert_enabled=is_told),
    }
