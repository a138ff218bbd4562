"""What is published of a run of a monitor: Azure ML's events; pure."""

from __future__ import annotations

from collections.abc import Collection

from shared.events import types
from shared.events.types import EventDraft
from shared.monitors.alerting import breached_metrics
from shared.resources.monitor_result import MonitorResult, SignalResult

DRIFTS = ("data_drift", "prediction_drift")
BREACHED_TAG = "azureml_modelmonitor_threshold_breached"


def breach_events(result: MonitorResult, announced: Collection[str]) -> tuple[EventDraft, ...]:
    """One DatasetDriftDetected for each announced signal of drift, and one RunStatusChanged that names all announced
    ones in the tag Azure ML's monitors set; () where nothing is announced."""
    signals = [one for one in result.signals if one.name in announced]
    if not signals:
        return ()
    drifts = tuple(_drift(result, one) for one in signals if one.type in DRIFTS)
    return (*drifts, _status_changed(result, " ".join(_text(one) for one in signals)))


def _drift(result: MonitorResult, signal: SignalResult) -> EventDraft:
    worst = breached_metrics(signal)
    data = {
        "dataDriftId": f"{result.monitor}/{signal.name}",
        "dataDriftName": signal.name,
        "runId": result.run_id,
        "baseDatasetId": signal.baseline,
        "targetDatasetId": result.endpoint,
        "driftCoefficient": worst[0][1].value if worst else None,
        "startTime": signal.window_start.isoformat() if signal.window_start else None,
        "endTime": signal.window_end.isoformat() if signal.window_end else None,
    }
    return EventDraft(types.DATASET_DRIFT_DETECTED, f"datadrifts/{result.monitor}/runs/{result.run_id}", data)


def _status_changed(result: MonitorResult, text: str) -> EventDraft:
    data = {
        "experimentId": result.monitor,
        "experimentName": result.monitor,
        "runId": result.run_id,
        "runType": "azureml.monitor",
        "runTags": {BREACHED_TAG: text},
        "runProperties": {},
        "runStatus": "Completed",
    }
    return EventDraft(types.RUN_STATUS_CHANGED, f"experiments/{result.monitor}/runs/{result.run_id}", data)


def _text(signal: SignalResult) -> str:
    """The words that subscribers of Azure ML filter by, with what breached the most."""
    features = list(dict.fromkeys(name for name, _ in breached_metrics(signal) if name))[:10]
    named = f": {', '.join(features)}." if features else "."
    return f"The signal '{signal.name}' has failed due to one or more features violating metric thresholds{named}"
