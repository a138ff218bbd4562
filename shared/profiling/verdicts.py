"""Whether a number of CPUs meets a target, by repeated measurements: yes, no, or not to be told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from shared.profiling.statistics import bootstrap_interval
from shared.resources.profile import LoadPoint

MIN_REPEATS = 3
MAX_REPEATS = 7  # with fewer, one outlier is inside every interval of a median
MIN_SUCCESS_RATE = 0.99  # with the 99th percentile: at least 99 of 100 requests are answered in time
CLEARLY = 3.0  # times the target: two such measurements are enough to say no
LATE_SHARE = 0.2  # of the target: a generator that is later measures itself


@dataclass(frozen=True, slots=True)
class Target:
    """What the service has to do."""

    rate_rps: float
    p99_ms: float
    head_room: float = 1.2  # times the rate at which it is measured

    @property
    def demand_rps(self) -> float:
        """The rate at which it must meet the target, requests per second."""
        return self.rate_rps * self.head_room


class Verdict(Enum):
    """What the measurements of one configuration say."""

    OPEN = "open"  # more measurements may tell
    MEETS = "meets"  # the interval of its 99th percentile lies below the target
    FAILS = "fails"  # it lies above, or requests fail
    UNCLEAR = "unclear"  # the target lies in it, and more would not help


def meets(target: Target, point: LoadPoint) -> bool:
    """Whether this one measurement is within the target."""
    in_time = point.latency_percentile_99_in_ms <= target.p99_ms
    return in_time and point.success_rate >= MIN_SUCCESS_RATE and not point.overloaded and not point.problem


def counts(target: Target, point: LoadPoint) -> bool:
    """Whether it says anything: a failure while the load generator itself was late does not."""
    late = point.lateness_percentile_99_in_ms > LATE_SHARE * target.p99_ms
    return meets(target, point) or not late or bool(point.problem)


def evidence(target: Target, points: Sequence[LoadPoint]) -> list[LoadPoint]:
    """The measurements that count; [] for none."""
    return [point for point in points if counts(target, point)]


def interval_ms(target: Target, points: Sequence[LoadPoint]) -> tuple[float, float] | None:
    """The interval of the median of the 99th percentiles between the measurements that count, ms; None without any."""
    found = [point.latency_percentile_99_in_ms for point in evidence(target, points)]
    return bootstrap_interval(found) if found else None


def verdict(target: Target, points: Sequence[LoadPoint]) -> Verdict:
    """What these measurements of one configuration at the demanded rate say; OPEN for none."""
    told = evidence(target, points)
    failed = [point for point in told if not meets(target, point)]
    if any(point.problem for point in told) or (len(failed) == len(told) >= 2 and all(_clear(target, p) for p in told)):
        return Verdict.FAILS
    if len(told) >= MIN_REPEATS:
        low, high = bootstrap_interval([_effective_ms(target, point) for point in told])
        if high <= target.p99_ms:
            return Verdict.MEETS
        if low > target.p99_ms:
            return Verdict.FAILS
    return Verdict.UNCLEAR if len(points) >= 2 * MAX_REPEATS or len(told) >= MAX_REPEATS else Verdict.OPEN


def guess(target: Target, points: Sequence[LoadPoint]) -> bool | None:
    """What the measurements make likely, before there is a verdict; None where there is nothing to go by."""
    told = evidence(target, points)
    if not told:
        return None
    return median(_effective_ms(target, point) for point in told) <= target.p99_ms


def _effective_ms(target: Target, point: LoadPoint) -> float:
    """Its 99th percentile; where requests failed, at least clearly too much: an error may come quickly."""
    latency_ms = point.latency_percentile_99_in_ms
    if not meets(target, point) and latency_ms <= target.p99_ms:
        return CLEARLY * target.p99_ms
    return latency_ms


def _clear(target: Target, point: LoadPoint) -> bool:
    return point.overloaded or _effective_ms(target, point) >= CLEARLY * target.p99_ms
