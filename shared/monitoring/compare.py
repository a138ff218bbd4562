"""Two files compared without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.monitoring.asked import thresholds_of
from shared.monitoring.readers.table import file_of
from shared.monitoring.run import calculated
from shared.monitoring.settings import Settings
from shared.resources.monitor_request import DataSet, FeatureType, MonitorRequest, SignalRequest
from shared.resources.monitor_result import MonitorResult

SKETCH = ".sketch"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, and how."""

    baseline: str  # path of data, or of a stored sketch
    current: str  # path of data
    metrics: Sequence[str] = ()  # NAME or NAME=THRESHOLD; none: the defaults
    features: Sequence[str] | None = None  # None: every common column
    types: Mapping[str, FeatureType] = field(default_factory=dict)  # instead of what the baseline tells
    compatibility: str = "slipway"
    quality: bool = False  # nulls, type errors and bounds, too
    minimum_sample_size: int = 50
    bootstrap_samples: int = 0
    save_baseline: str = ""  # path that the baseline's sketch is written to


def compare(asked: Comparison) -> MonitorResult:
    """What a monitor's run would find. Raises SlipwayError where the data cannot be compared."""
    request = _request(asked)
    settings = Settings.of(request)
    return MonitorResult(
        monitor=request.monitor,
        run_id=request.run_id,
        created_at=request.created_at,
        compatibility=request.compatibility,
        signals=[calculated(signal, settings) for signal in request.signals],
    )


def _request(asked: Comparison) -> MonitorRequest:
    reference, production = _data(asked.baseline), _data(asked.current)
    reference.save_sketch = asked.save_baseline
    thresholds = (
        thresholds_of(asked.metrics) if asked.metrics else {"numerical": None, "categorical": None, "overall": None}
    )
    common = {
        "reference": reference,
        "production": production,
        "features": list(asked.features) if asked.features is not None else None,
        "types": dict(asked.types),
    }
    signals = [SignalRequest.model_validate({"name": "drift", "type": "data_drift", **common, **thresholds})]
    if asked.quality:
        unsaved = {**common, "reference": reference.model_copy(update={"save_sketch": ""})}
        signals.append(SignalRequest.model_validate({"name": "quality", "type": "data_quality", **unsaved}))
    return MonitorRequest.model_validate(
        {
            "monitor": "drift compare",
            "run_id": "",
            "created_at": datetime.now(UTC),
            "compatibility": asked.compatibility,
            "minimum_sample_size": asked.minimum_sample_size,
            "bootstrap_samples": asked.bootstrap_samples,
            "signals": signals,
        }
    )


def _data(path: str) -> DataSet:
    if path.endswith(SKETCH):
        return DataSet(label=path, sketches=[path])
    return DataSet(label=path, files=[file_of(path)])
