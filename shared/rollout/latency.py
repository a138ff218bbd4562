"""Latency histograms: what came since, quantiles, and how many were slower."""

from __future__ import annotations

import math

from shared.resources.rollout import ArmCounters, LatencyHistogram


def since(now: ArmCounters, before: ArmCounters | None) -> ArmCounters:
    """What was counted after `before`. Counters that fell have begun anew (the router was started again), and count
    from zero, as Prometheus' rate() takes it."""
    if before is None:
        return now
    bounds_changed = now.latency.bounds_ms != before.latency.bounds_ms
    if bounds_changed or now.requests < before.requests or now.errors < before.errors:
        return now
    counts = [late - early for late, early in zip(now.latency.counts, before.latency.counts, strict=True)]
    return ArmCounters(
        requests=now.requests - before.requests,
        errors=now.errors - before.errors,
        latency=LatencyHistogram(bounds_ms=now.latency.bounds_ms, counts=counts),
    )


def values_of(histogram: LatencyHistogram, factor: float = 1.0) -> dict[float, int]:
    """Counts by the middle of their bucket in ms, times `factor`; {} for an empty histogram."""
    found: dict[float, int] = {}
    for index, count in enumerate(histogram.counts):
        if count:
            low, high = _edges(histogram, index)
            found[(low + high) / 2 * factor] = count
    return found


def quantile_ms(histogram: LatencyHistogram, share: float) -> float | None:
    """The latency that `share` of the requests do not exceed, straight inside a bucket; None without requests."""
    total = sum(histogram.counts)
    if not total:
        return None
    wanted, below = share * total, 0
    for index, count in enumerate(histogram.counts):
        if count and below + count >= wanted:
            low, high = _edges(histogram, index)
            return low + (high - low) * (wanted - below) / count
        below += count
    return _edges(histogram, len(histogram.counts) - 1)[1]


def count_above(histogram: LatencyHistogram, limit_ms: float) -> int:
    """How many requests took longer than `limit_ms`; of the bucket it lies in, its part, rounded down."""
    above = 0.0
    for index, count in enumerate(histogram.counts):
        low, high = _edges(histogram, index)
        if low >= limit_ms:
            above += count
        elif high > limit_ms:
            above += count * (high - limit_ms) / (high - low)
    return math.floor(above + 1e-9)


def _edges(histogram: LatencyHistogram, index: int) -> tuple[float, float]:
    bounds = histogram.bounds_ms
    low = bounds[index - 1] if index else 0.0
    return low, bounds[index] if index < len(bounds) else max(2 * low, 1.0)
