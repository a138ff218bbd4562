"""What a report says, in whatever form: what to look at first, and each metric from run to run; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.monitors.alerting import breached_metrics
from shared.resources.monitor_result import FeatureResult, MetricValue, MonitorResult, SignalResult, Verdict

_ORDER = (Verdict.BREACHED, Verdict.FAILED, Verdict.HEALTHY, Verdict.NOT_ENOUGH_DATA)


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing to look at."""

    signal: str
    feature: str  # "" for the signal as a whole
    metric: MetricValue

    @property
    def text(self) -> str:
        """In words."""
        one = self.metric
        beyond = f"{number(one.value)} is {one.direction} {number(one.threshold)}"
        return f"{self.feature or 'the whole signal'}: {one.metric}: {one.reason or beyond}"


def look_first(result: MonitorResult) -> list[Breach]:
    """Everything that breached, by signal, the furthest beyond its threshold first; [] for nothing."""
    return [Breach(one.name, name, metric) for one in result.signals for name, metric in breached_metrics(one)]


def by_weight(features: Sequence[FeatureResult]) -> list[FeatureResult]:
    """Those that breached first, then by the model's importance of them, then by name."""
    return sorted(features, key=lambda one: (_ORDER.index(one.verdict), -(one.importance or 0.0), one.name))


def number(value: float | None) -> str:
    """Four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def history_of(results: Sequence[MonitorResult], signal: str, feature: str, metric: str) -> list[tuple[str, float]]:
    """The values of a metric with the time of their run, the oldest first; runs without a value are left out."""
    found = []
    for result in sorted(results, key=lambda one: one.created_at):
        for one in result.signals:
            value = _value(one, feature, metric) if one.name == signal else None
            if value is not None:
                found.append((result.created_at.strftime("%Y-%m-%d %H:%M"), value))
    return found


def _value(signal: SignalResult, feature: str, metric: str) -> float | None:
    metrics = signal.metrics if not feature else [m for f in signal.features if f.name == feature for m in f.metrics]
    return next((one.value for one in metrics if one.metric == metric), None)
