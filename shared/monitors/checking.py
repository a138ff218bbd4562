"""What is wrong with a monitor, found when it is applied and not at its first run; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.errors import Invalid, NotSupported
from shared.monitors.alert_settings import check_addresses, notification_of_monitor, policy_of
from shared.monitors.column_names import TRUTH_KEYS
from shared.monitors.planning import check_signal, signals_of
from shared.monitors.schedule import next_due
from shared.monitors.signals import INPUTS, OUTPUTS
from shared.monitors.windows import production_window, reference_window
from shared.notifier_settings import SETTING, mail_of
from shared.resources.monitor import (
    AlertNotification,
    CustomSignal,
    FeatureAttributionDrift,
    ModelPerformance,
    MonitorDeclaration,
)
from shared.resources.monitor_data import DataWindow
from shared.resources.notification import NotifierDeclaration, SmtpNotifier

# What a signal reads of what its deployment collects, where it names no data of its own.
_COLLECTIONS = {
    "data_drift": (INPUTS,),
    "data_quality": (INPUTS,),
    "prediction_drift": (OUTPUTS,),
    "feature_attribution_drift": (INPUTS, OUTPUTS),
    "model_performance": (OUTPUTS,),
}
_TARGET = "/create_monitor/monitoring_target"
SIGNALS = "/create_monitor/monitoring_signals"
_POLICY = "/create_monitor/alert_policy"
_NOTIFICATION = "/create_monitor/alert_notification"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that would fail at the first run."""

    pointer: str  # into the declaration
    message: str
    allowed: str  # what is right


def problems_of(
    monitor: MonitorDeclaration,
    deployment: Mapping[str, Any] | None,
    notifiers: Mapping[str, NotifierDeclaration],
    now: datetime,
) -> tuple[Problem, ...]:
    """Everything that is wrong; () for nothing. `deployment` is the declaration of the one that is monitored, None
    where it is not known here; `notifiers` are those of the control plane."""
    found = (*_trigger(monitor, now), *_windows(monitor, now), *_data(monitor, deployment))
    signals = _signals(monitor, now, [one.pointer for one in found])
    return (*found, *signals, *_policy(monitor), *_notification(monitor, notifiers))


def untold_of(monitor: MonitorDeclaration, notifiers: Mapping[str, NotifierDeclaration]) -> str:
    """What Azure ML would tell and this control plane does not, in words; "" for nothing."""
    said = monitor.create_monitor.alert_notification
    if said is None:
        return ""
    if not isinstance(said, AlertNotification):
        return "metrics of Azure Monitor are not written: name notifiers (type azure_monitor, for one)"
    if said.emails and mail_of(notifiers) is None:
        return f"its addresses are not mailed: {SETTING} has no notifier of the type smtp"
    return ""


def _policy(monitor: MonitorDeclaration) -> Iterator[Problem]:
    try:
        policy_of(monitor)
    except Invalid as error:
        yield Problem(f"{_POLICY}/cool_down", error.faults[0].message, error.faults[0].allowed or "a duration")


def _notification(monitor: MonitorDeclaration, notifiers: Mapping[str, NotifierDeclaration]) -> Iterator[Problem]:
    said = notification_of_monitor(monitor)
    known = ", ".join(sorted(notifiers)) or f"none: {SETTING} is empty"
    for index, name in enumerate((said.notifiers or []) if said else []):
        pointer = f"{_NOTIFICATION}/notifiers/{index}"
        if name not in notifiers:
            yield Problem(pointer, f"there is no notifier {name[:80]!r}", f"one of the control plane's: {known}")
        elif isinstance(one := notifiers[name], SmtpNotifier) and not one.recipients:
            yield Problem(pointer, f"the notifier {name} has no recipients of its own", "emails, or another notifier")
    try:
        check_addresses((said.emails or []) if said else [])
    except Invalid as error:
        yield Problem(f"{_NOTIFICATION}/emails", error.message, error.remedy or "an address")


def _signals(monitor: MonitorDeclaration, now: datetime, told: list[str]) -> Iterator[Problem]:
    """Signals that cannot be calculated as they are declared, but for those of which something is `told` already."""
    for key in signals_of(monitor):
        pointer = f"{SIGNALS}/{key}"
        if any(one == "/trigger" or (one + "/").startswith(pointer + "/") for one in told):
            continue
        try:
            check_signal(monitor, key, now)
        except (Invalid, NotSupported) as error:
            fault = error.faults[0] if error.faults else None
            message = fault.message if fault else error.message
            yield Problem(pointer, message, (fault.allowed if fault else None) or error.remedy or "")


def _trigger(monitor: MonitorDeclaration, now: datetime) -> Iterator[Problem]:
    try:
        next_due(monitor.trigger, now)
    except Invalid as error:
        yield Problem("/trigger", error.message, error.remedy or "a trigger that comes")


def _windows(monitor: MonitorDeclaration, now: datetime) -> Iterator[Problem]:
    for name, signal in (monitor.create_monitor.monitoring_signals or {}).items():
        production = getattr(signal, "production_data", None)
        for one in production if isinstance(production, list) else [production]:
            yield from _window(monitor, one, f"{SIGNALS}/{name}/production_data", now, is_reference=False)
        reference = getattr(signal, "reference_data", None)
        yield from _window(monitor, reference, f"{SIGNALS}/{name}/reference_data", now, is_reference=True)


def _window(
    monitor: MonitorDeclaration, data: Any, pointer: str, now: datetime, *, is_reference: bool
) -> Iterator[Problem]:
    said: DataWindow | None = getattr(data, "data_window", None)
    if said is None:
        return
    try:
        if is_reference:
            reference_window(said, monitor.trigger, production_window(None, monitor.trigger, now), now)
        else:
            production_window(said, monitor.trigger, now)
    except Invalid as error:
        message = error.faults[0].message if error.faults else error.message
        allowed = (error.faults[0].allowed if error.faults else error.remedy) or "a window that holds data"
        yield Problem(f"{pointer}/data_window", message, allowed)


def _data(monitor: MonitorDeclaration, deployment: Mapping[str, Any] | None) -> Iterator[Problem]:
    wanted = _wanted(monitor)
    target = monitor.create_monitor.monitoring_target
    if wanted and not (target and target.endpoint_deployment_id):
        pointer = next(iter(wanted.values()))
        yield Problem(pointer, "nothing says which data of production it reads", "an endpoint_deployment_id, or data")
        return
    if deployment is None:
        return
    said = (deployment.get("data_collector") or {}).get("collections") or {}
    collected = {name for name, one in said.items() if str((one or {}).get("enabled")).lower() == "true"}
    for collection, pointer in wanted.items():
        if collection not in collected:
            yield Problem(
                f"{_TARGET}/endpoint_deployment_id",
                f"the deployment does not collect {collection}, which {pointer.rpartition('/')[2]} reads",
                f"a deployment with data_collector.collections.{collection}.enabled: true",
            )


def _wanted(monitor: MonitorDeclaration) -> dict[str, str]:
    """The collections that are read, each with the place of the first signal that does."""
    signals = monitor.create_monitor.monitoring_signals
    if signals is None:
        return {INPUTS: "/create_monitor", OUTPUTS: "/create_monitor"}
    found: dict[str, str] = {}
    for name, signal in signals.items():
        for collection in _collections(signal):
            found.setdefault(collection, f"{SIGNALS}/{name}")
    return found


def _collections(signal: Any) -> tuple[str, ...]:
    """What a signal reads of what its deployment collects."""
    if isinstance(signal, CustomSignal):
        return tuple(
            str(one.data_context or INPUTS).lower() for one in signal.input_data.values() if not one.input_data
        )
    production = getattr(signal, "production_data", None)
    wanted = _COLLECTIONS.get(str(signal.type).lower(), ())
    if isinstance(signal, FeatureAttributionDrift):
        given = {str(one.data_context or INPUTS).lower() for one in production or () if one.input_data is not None}
        explained = not TRUTH_KEYS & {key.lower() for key in signal.reference_data.data_column_names}
        return tuple(one for one in wanted if one not in given and not (explained and one == OUTPUTS))
    if getattr(production, "input_data", None) is not None:
        return ()
    segmented = isinstance(signal, ModelPerformance) and signal.data_segment is not None
    return (*wanted, INPUTS) if segmented else wanted
