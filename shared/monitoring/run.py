"""A run of a monitor: every signal calculated; one that cannot be says why, and the others are."""

from __future__ import annotations

import importlib

from shared.errors import Invalid, SlipwayError
from shared.monitoring.rows_needed import RowsNeeded
from shared.monitoring.settings import Settings
from shared.resources.importance import LearntImportance
from shared.resources.monitor_request import MonitorRequest, SignalRequest
from shared.resources.monitor_result import MonitorResult, SignalResult

# The module, and its function of the same name: what no signal needs is not imported.
SIGNALS = {
    "data_drift": "drift",
    "prediction_drift": "drift",
    "data_quality": "quality",
    "feature_attribution_drift": "attribution",
    "model_performance": "performance",
    "custom": "custom",
}


def run(request: MonitorRequest) -> MonitorResult:
    """What each signal found, in their order. Raises RowsNeeded when sketches of hours do not do."""
    settings = Settings.of(request)
    found = [_signal(one, settings) for one in request.signals]
    if needed := [one for one in found if isinstance(one, RowsNeeded)]:
        raise RowsNeeded({window for one in needed for window in one.windows})
    return MonitorResult(
        monitor=request.monitor,
        run_id=request.run_id,
        created_at=request.created_at,
        endpoint=request.endpoint,
        compatibility=request.compatibility,
        signals=[one for one in found if isinstance(one, SignalResult)],
    )


def _signal(signal: SignalRequest, settings: Settings) -> SignalResult | RowsNeeded:
    try:
        return calculated(signal, settings)
    except RowsNeeded as needed:
        return needed
    except SlipwayError as error:
        return _described(signal, SignalResult(name=signal.name, type=signal.type, reason=str(error)))


def calculated(signal: SignalRequest, settings: Settings) -> SignalResult:
    """What the signal found. Raises SlipwayError where it cannot be calculated."""
    if signal.unavailable:
        raise Invalid(signal.unavailable)
    learnt: list[LearntImportance] = []
    if signal.top_features is not None:
        from shared.monitoring.top_features import with_top_features

        signal, learnt = with_top_features(signal, settings.seed)
    name = SIGNALS[signal.type]
    found: SignalResult = getattr(importlib.import_module(f"shared.monitoring.{name}"), name)(signal, settings)
    found.learnt += learnt
    return _described(signal, found)


def _described(signal: SignalRequest, found: SignalResult) -> SignalResult:
    found.window_start, found.window_end = signal.production.window_start, signal.production.window_end
    found.baseline = signal.reference.label if signal.reference is not None else ""
    return found
