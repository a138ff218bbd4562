"""Drift of inputs and predictions: each feature's distribution now beside that of the baseline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.errors import SlipwayError
from shared.monitoring import bootstrap, distribution
from shared.monitoring.features import fitting
from shared.monitoring.judging import adjusted, judged, unjudged
from shared.monitoring.metrics.metric import NUMERICAL, Found, Metric
from shared.monitoring.metrics.table import METRICS
from shared.monitoring.multivariate import multivariate
from shared.monitoring.settings import Settings, drift_thresholds
from shared.monitoring.sides import Sides, sides_of
from shared.monitoring.sketches.column import ColumnSketch
from shared.resources.monitor_request import FeatureType, SignalRequest
from shared.resources.monitor_result import FeatureResult, Interval, MetricValue, SignalResult, Verdict

COMPANION = {"numerical": "two_sample_kolmogorov_smirnov_test", "categorical": "pearsons_chi_squared_test"}


def drift(signal: SignalRequest, settings: Settings) -> SignalResult:
    """Every feature, and how many drifted. Raises SlipwayError where the data cannot be compared at all."""
    wanted = {kind: drift_thresholds(signal, kind, settings.compatibility) for kind in COMPANION}  # type: ignore[arg-type]
    sides = sides_of(signal, settings.compatibility, complete_only=settings.compatibility == "azureml")
    features = compared_features(sides, wanted, settings, signal.importance)
    overall = [*multivariate(signal, sides, settings), _drifted(features)]
    return SignalResult(
        name=signal.name, type=signal.type, counts=sides.current.counts, features=features, metrics=overall
    )


def _drifted(features: list[FeatureResult]) -> MetricValue:
    judged_ = [one for one in features if one.verdict in (Verdict.HEALTHY, Verdict.BREACHED)]
    breached = sum(one.verdict is Verdict.BREACHED for one in judged_)
    if not judged_:
        return MetricValue(metric="drifted_feature_share", unit="share", verdict=Verdict.NOT_ENOUGH_DATA)
    return MetricValue(metric="drifted_feature_share", unit="share", value=breached / len(judged_))


def compared_features(
    sides: Sides,
    wanted: Mapping[str, Mapping[str, float | None]],
    settings: Settings,
    importance: Mapping[str, float] | None = None,
) -> list[FeatureResult]:
    """The results of the features, in the baseline's order. The p-values of all of them are adjusted together."""
    names = [name for name in sides.types if name in sides.current.columns]
    found = {name: _Compared(name, sides, wanted[sides.types[name]], settings) for name in names}
    tested = {name: one.companion.p_value for name, one in found.items() if one.companion is not None}
    ps = adjusted([1.0 if p is None else p for p in tested.values()])
    by_name = dict(zip(tested, ps, strict=True))
    weights = importance or {}
    return [one.result(by_name.get(name), weights.get(name)) for name, one in found.items()]


class _Compared:
    """One feature: what its metrics found, before the p-values of all features are known."""

    def __init__(self, name: str, sides: Sides, wanted: Mapping[str, float | None], settings: Settings) -> None:
        self.name, self.kind, self._wanted, self._settings = name, sides.types[name], wanted, settings
        self._before, self._now = sides.baseline.columns[name], sides.current.columns[name]
        self._unfit = fitting(name, sides.was[name], sides.now[name]) if name in sides.now else ""
        self._reason = self._too_little()
        self._found: dict[str, Found | str] = {}
        self.companion: Found | None = None
        if not (self._unfit or self._reason):
            self._calculate()

    def _too_little(self) -> str:
        least = self._settings.minimum_sample_size
        for side, column in (("the baseline", self._before), ("production", self._now)):
            if (count := _count(column, self.kind)) < least:
                return f"{count} values in {side}: at least {least} are needed"
        known = self._before.categorical
        if self.kind != NUMERICAL and known is not None and known.untracked:
            return "too many different values in the baseline: names or ids are not compared"
        return ""

    def _calculate(self) -> None:
        for name in self._wanted:
            self._found[name] = self._computed(METRICS[name])
        if self._settings.compatibility == "azureml":
            return
        test = COMPANION[self.kind]
        found = self._found.get(test) or self._computed(METRICS[test])
        self.companion = found if isinstance(found, Found) else None

    def _computed(self, metric: Metric) -> Found | str:
        """Or why it cannot be calculated."""
        compatibility = self._settings.compatibility
        try:
            if self.kind == NUMERICAL:
                assert metric.numerical is not None
                assert self._before.numerical is not None
                assert self._now.numerical is not None
                return metric.numerical(self._before.numerical, self._now.numerical, compatibility)
            assert metric.categorical is not None
            assert self._before.categorical is not None
            assert self._now.categorical is not None
            return metric.categorical(self._before.categorical, self._now.categorical, compatibility)
        except SlipwayError as error:
            return error.message

    def result(self, adjusted_p: float | None, importance: float | None) -> FeatureResult:
        """With verdicts, now that the other features' p-values are known."""
        before, now = self._before, self._now
        found = FeatureResult(
            name=self.name,
            type=self.kind,
            baseline_count=before.rows,
            current_count=now.rows,
            baseline_null_count=before.nulls,
            current_null_count=now.nulls,
            metrics=[self._judged(name, limit, adjusted_p) for name, limit in self._wanted.items()],
            importance=importance,
        )
        if before.numerical is not None and now.numerical is not None and self.kind == NUMERICAL:
            first, second = before.numerical.moments, now.numerical.moments
            found.baseline_mean, found.baseline_std = (first.mean, first.std) if first.count else (None, None)
            found.current_mean, found.current_std = (second.mean, second.std) if second.count else (None, None)
            found.distribution = distribution.of_numbers(before.numerical, now.numerical)
        elif before.categorical is not None and now.categorical is not None:
            found.distribution = distribution.of_categories(before.categorical, now.categorical)
        return found

    def _judged(self, name: str, threshold: float | None, adjusted_p: float | None) -> MetricValue:
        metric, settings = METRICS[name], self._settings
        if self._unfit:
            return unjudged(metric, threshold, Verdict.FAILED, self._unfit)
        if self._reason:
            return unjudged(metric, threshold, Verdict.NOT_ENOUGH_DATA, self._reason)
        found = self._found[name]
        if isinstance(found, str):
            return unjudged(metric, threshold, Verdict.FAILED, found)
        value = judged(metric, found, threshold, companion=adjusted_p, rate=settings.false_alarm_rate,
                       compatibility=settings.compatibility)  # fmt: skip
        if settings.bootstrap_samples and not metric.is_test:
            value.interval = self._interval(metric)
        return value

    def _interval(self, metric: Metric) -> Interval:
        settings, before, now = self._settings, self._before, self._now
        rng = np.random.default_rng([settings.seed, *self.name.encode()])
        times, how = settings.bootstrap_samples, settings.compatibility
        if self.kind == NUMERICAL:
            assert metric.numerical is not None
            assert before.numerical is not None
            assert now.numerical is not None
            return bootstrap.of_numbers(metric.numerical, (before.numerical, now.numerical), how, rng, times)
        assert metric.categorical is not None
        assert before.categorical is not None
        assert now.categorical is not None
        return bootstrap.of_categories(metric.categorical, (before.categorical, now.categorical), how, rng, times)


def _count(column: ColumnSketch, kind: FeatureType) -> int:
    counted = column.numerical if kind == NUMERICAL else column.categorical
    return counted.count if counted is not None else 0
