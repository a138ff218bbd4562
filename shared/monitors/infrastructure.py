"""How a deployment served, and what it used, between two looks at its figures; pure.

Names are those of Azure Monitor's metrics of online endpoints (RequestsPerMinute, RequestLatency_P99,
CpuUtilizationPercentage, CpuMemoryUtilizationPercentage) as fields of YAML; Azure ML's monitors have no such signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.resources.deployment_figures import DeploymentFigures
from shared.resources.monitor_result import INFRASTRUCTURE, DataCounts, MetricValue, SignalResult, Verdict
from shared.resources.rollout import ArmCounters
from shared.rollout.latency import count_above, quantile_ms, since
from shared.rollout.significance import binomial_upper_tail

MIN_REQUESTS = 50  # below which nothing is said of shares and quantiles that are within their thresholds
FALSE_ALARM_RATE = 0.05  # of one run, over all metrics that are judged by a test
QUANTILES = {f"request_latency_p{percent}_ms": percent / 100 for percent in (50, 90, 95, 99)}
FIRST = "it is counted from run to run, and no run before this one looked at the deployment"

Limits = Mapping[str, float]  # thresholds by metric; those without are shown only


@dataclass(frozen=True, slots=True)
class _Span:
    """What happened between two looks."""

    counted: ArmCounters
    minutes: float | None  # None: there was no look before
    limits: Limits

    def value(self, metric: str, value: float | None, unit: str, reason: str = "") -> MetricValue:
        """Judged by its threshold alone; NotEnoughData, with the reason, without a value."""
        limit = self.limits.get(metric)
        found = MetricValue(metric=metric, value=value, unit=unit, threshold=limit)
        if value is None:
            return found.model_copy(update={"verdict": Verdict.NOT_ENOUGH_DATA, "reason": reason})
        if limit is not None and value > limit:
            return _breach(found)
        return found

    def share(self, metric: str, value: float | None, unit: str, beyond: int, allowed: float) -> MetricValue:
        """Judged by its threshold, and by how likely so many requests `beyond` it are where `allowed` is the chance of
        each (exact binomial test, adjusted by Bonferroni for all that are judged so)."""
        found = self.value(metric, value, unit, "no requests came")
        if value is None or found.threshold is None:
            return found
        tested = sum(1 for name in (*QUANTILES, "error_rate") if name in self.limits)
        found.p_value = binomial_upper_tail(beyond, self.counted.requests, allowed)
        found.adjusted_p_value = min(1.0, found.p_value * tested)
        if found.verdict is Verdict.BREACHED and found.adjusted_p_value <= FALSE_ALARM_RATE:
            found.reason += f", adjusted p-value {found.adjusted_p_value:.2g}"
            return found
        found.reason = f"{found.reason}, as happens by chance" if found.verdict is Verdict.BREACHED else ""
        found.verdict = Verdict.HEALTHY
        if self.counted.requests < MIN_REQUESTS:
            reason = f"{self.counted.requests} requests: at least {MIN_REQUESTS} are needed"
            return found.model_copy(update={"verdict": Verdict.NOT_ENOUGH_DATA, "reason": reason})
        return found


def _breach(found: MetricValue, direction: Literal["above", "below"] = "above") -> MetricValue:
    reason = f"{found.value:.4g} is {direction} {found.threshold:g}"
    return found.model_copy(update={"verdict": Verdict.BREACHED, "direction": direction, "reason": reason})


def infrastructure(name: str, limits: Limits, now: DeploymentFigures, before: DeploymentFigures | None) -> SignalResult:
    """The signal. Without a look before, requests and latencies count since the router began, and what is a rate is
    not judged."""
    found = SignalResult(name=name, type=INFRASTRUCTURE, window_start=before.at if before else None, window_end=now.at)
    if now.problem:
        return found.model_copy(update={"reason": now.problem})
    minutes = (now.at - before.at).total_seconds() / 60 if before else None
    span = _Span(since(now.counters, before.counters if before else None), minutes or None, limits)
    found.counts = DataCounts(rows=span.counted.requests)
    found.metrics = [*_requests(span), *_usage(span, now, before)]
    return found


def of_the_past(name: str, limits: Limits) -> SignalResult:
    """Of a run that looks back at a time that is over."""
    reason = "figures are read at the time of the run: of times that are over there are none"
    span = _Span(ArmCounters(), None, limits)
    metrics = [span.value(metric, None, "", reason) for metric in limits or ("error_rate",)]
    return SignalResult(name=name, type=INFRASTRUCTURE, metrics=metrics)


def _requests(span: _Span) -> Iterator[MetricValue]:
    counted = span.counted
    rate = None if span.minutes is None else counted.requests / span.minutes
    yield span.value("requests_per_minute", rate, "requests per minute", FIRST)
    least = span.limits.get("min_requests_per_minute")
    if least is not None:
        found = MetricValue(metric="min_requests_per_minute", value=rate, unit="requests per minute", threshold=least)
        found.direction = "below"
        if rate is None:
            found.verdict, found.reason = Verdict.NOT_ENOUGH_DATA, FIRST
        yield _breach(found, "below") if rate is not None and rate < least else found
    share = counted.errors / counted.requests if counted.requests else None
    yield span.share("error_rate", share, "share", counted.errors, span.limits.get("error_rate", 1.0))
    for metric, quantile in QUANTILES.items():
        slower = count_above(counted.latency, span.limits[metric]) if metric in span.limits else 0
        yield span.share(metric, quantile_ms(counted.latency, quantile), "ms", slower, 1 - quantile)


def _usage(span: _Span, now: DeploymentFigures, before: DeploymentFigures | None) -> Iterator[MetricValue]:
    silent = "its servers do not tell it"
    earlier = before.instances if before else {}
    used = limit = 0.0
    for name, one in now.instances.items():
        began = earlier[name].cpu_s if name in earlier and earlier[name].cpu_s <= one.cpu_s else 0.0
        used, limit = used + one.cpu_s - began, limit + (one.cpu_limit_cores or 0.0)
    cpu = 100 * used / (60 * span.minutes * limit) if span.minutes and limit else None
    yield span.value("cpu_utilization_percentage", cpu, "%", silent if now.instances == {} or not limit else FIRST)
    shares = [
        100 * one.memory_bytes / one.memory_limit_bytes for one in now.instances.values() if one.memory_limit_bytes
    ]
    yield span.value("cpu_memory_utilization_percentage", max(shares, default=None), "%", silent)
