"""How a run judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import Invalid
from shared.monitoring.metrics.metric import Compatibility, Metric
from shared.monitoring.metrics.table import metric_of, metrics_of
from shared.resources.monitor_request import FeatureType, MonitorRequest, SignalRequest


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one run."""

    compatibility: Compatibility = "slipway"
    minimum_sample_size: int = 50
    false_alarm_rate: float = 0.05
    bootstrap_samples: int = 0
    seed: int = 0

    @classmethod
    def of(cls, request: MonitorRequest) -> Settings:
        """Those of a request."""
        return cls(
            request.compatibility,
            request.minimum_sample_size,
            request.false_alarm_rate,
            request.bootstrap_samples,
            request.seed,
        )


def drift_thresholds(signal: SignalRequest, kind: FeatureType, compatibility: Compatibility) -> dict[str, float | None]:
    """Threshold by metric, for features of this type: those that were asked for, else the defaults, with the other
    common ones shown beside them. Raises Invalid for an unknown metric, and for one that is not for this type."""
    asked = signal.numerical if kind == "numerical" else signal.categorical
    if asked is None:
        found = {name: one.thresholds.get(f"{compatibility} {kind}") for name, one in metrics_of("drift").items()}
        if compatibility == "azureml":
            return _first(kind, found)
        return {name: limit for name, limit in found.items() if name in SHOWN and _fits(metric_of(name, "drift"), kind)}
    for name in asked:
        if not _fits(metric_of(name, "drift"), kind):
            known = [name for name, one in metrics_of("drift").items() if _fits(one, kind)]
            raise Invalid(f"{name} is no metric of {kind} features", remedy=f"name one of {', '.join(known)}")
    return dict(asked)


SHOWN = (
    "normalized_wasserstein_distance",
    "jensen_shannon_distance",
    "population_stability_index",
    "two_sample_kolmogorov_smirnov_test",
    "pearsons_chi_squared_test",
)
_AZURE_DEFAULTS = {"numerical": "normalized_wasserstein_distance", "categorical": "jensen_shannon_distance"}


def _first(kind: FeatureType, found: Mapping[str, float | None]) -> dict[str, float | None]:
    name = _AZURE_DEFAULTS[kind]
    return {name: found[name]}


def _fits(metric: Metric, kind: FeatureType) -> bool:
    return (metric.numerical if kind == "numerical" else metric.categorical) is not None
