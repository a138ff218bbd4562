"""The search for the cheapest CPU and memory that meet a target: what to measure next, or what to recommend. Pure.

It takes for granted that more CPU is never slower. Each step looks only at what was measured before, so a search goes
on where another one ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Literal

from shared.profiling.server_settings import DEFAULT, ServerSettings, best_settings, next_settings
from shared.profiling.verdicts import Target, Verdict, counts, evidence, guess, interval_ms, meets, verdict
from shared.resources.profile import LoadPoint

MEMORY_FACTOR = 1.3  # times the peak
MEMORY_STEP_GB = 1 / 64
MIN_MEMORY_GB = 0.1  # as Azure ML's
MORE_MEMORY = 1.25  # times, after it was not enough
MAX_VERIFICATIONS = 6
CURVE_POINTS = 6
CURVE_RESOLUTION = 1.10  # of the highest rate
LIKELY_UTILIZATION = 0.3  # of the CPU at the target: a guess, for where the search begins
MIN_REQUESTS = 300  # in a measurement: three of them lie above a 99th percentile
SHORTEST_S, LONGEST_S = 3.0, 8.0


@dataclass(frozen=True, slots=True)
class Grid:
    """What may be recommended."""

    cpus: tuple[float, ...]  # cores, ascending, at least one
    max_memory_gb: float
    settings: tuple[ServerSettings, ...] = (DEFAULT,)  # the default is the first


@dataclass(frozen=True, slots=True)
class Measure:
    """Make this measurement next."""

    purpose: Literal["saturation", "settings", "target", "curve", "verification"]
    cpu: float
    memory_gb: float
    rate_rps: float  # of an open loop; 0 for a closed one
    settings: ServerSettings = DEFAULT

    @property
    def duration_s(self) -> float:
        """How long: enough requests for a 99th percentile where that does not take too long."""
        if not self.rate_rps:
            return SHORTEST_S
        return min(LONGEST_S, max(SHORTEST_S, MIN_REQUESTS / self.rate_rps))


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The end. `cpu` and `memory_gb` are None when nothing of the grid is known to meet the target."""

    cpu: float | None
    memory_gb: float | None = None
    interval_ms: tuple[float, float] | None = None  # of the 99th percentile
    proven: bool = False
    max_rate_rps: float | None = None  # the highest that was measured to meet the target
    cheaper_cpu: float | None = None  # the next smaller of the grid; None when there is none
    settings: ServerSettings = DEFAULT  # of the server
    error: str = ""  # what is missing


def decide(target: Target, grid: Grid, points: Sequence[LoadPoint]) -> Measure | Recommendation:
    """What to do after these measurements; none is the beginning. First the server is saturated, to know what a request
    costs; its settings are compared at the demanded rate, where that costs enough to choose by; then a bisection of the
    grid at that rate, repeats of the two configurations around the border in turns until each has a verdict, a
    bisection of the highest rate, and the memory: the peak with a margin, on a fresh server that must meet the target
    under it."""
    saturation = [point for point in points if point.purpose == "saturation"]
    if not saturation:
        return Measure("saturation", grid.cpus[-1], grid.max_memory_gb, 0.0)
    likely_cpu = _likely_cpu(target, saturation[0])
    tried = next_settings(grid.settings, points) if likely_cpu > grid.cpus[0] else None
    if tried is not None:
        return Measure("settings", grid.cpus[-1], grid.max_memory_gb, target.demand_rps, tried)
    settings = best_settings(target, points)
    border = _Border(target, grid, points)
    wanted = border.next_cpu(likely_cpu)
    if wanted is not None:
        return Measure("target", wanted, grid.max_memory_gb, target.demand_rps, settings)
    if border.cpu is None:
        return Recommendation(None, error=_why_none(target, grid, border))
    rate = _next_rate(target, border.cpu, points, saturation[0])
    if rate is not None:
        return Measure("curve", border.cpu, grid.max_memory_gb, rate, settings)
    return _memory(target, grid, border, points, settings)


class _Border:
    """Where in the grid the target begins to be met."""

    def __init__(self, target: Target, grid: Grid, points: Sequence[LoadPoint]) -> None:
        self._grid = grid
        at_target = [point for point in points if point.purpose == "target"]
        self.points = {cpu: [point for point in at_target if point.cpu == cpu] for cpu in grid.cpus}
        self.verdicts = {cpu: verdict(target, found) for cpu, found in self.points.items()}
        likely = {cpu: guess(target, found) for cpu, found in self.points.items()}
        certain = {Verdict.MEETS: True, Verdict.FAILS: False, Verdict.UNCLEAR: False}
        self._meets = [certain.get(self.verdicts[cpu], likely[cpu]) for cpu in grid.cpus]
        size = len(grid.cpus)
        self._above = next((index for index, found in enumerate(self._meets) if found), size)
        self._below = max((index for index in range(self._above) if self._meets[index] is False), default=-1)

    @property
    def cpu(self) -> float | None:
        """The cheapest that meets the target; None when the largest does not."""
        return self._grid.cpus[self._above] if self._above < len(self._grid.cpus) else None

    @property
    def cheaper(self) -> float | None:
        """The one below it; None for the smallest."""
        return self._grid.cpus[self._above - 1] if 0 < self._above < len(self._grid.cpus) else None

    def next_cpu(self, likely: float) -> float | None:
        """What to measure next; None when the border is known."""
        cpus = self._grid.cpus
        if self._above - self._below > 1:
            if all(found is None for found in self._meets):  # nothing is measured, or the generator was late
                first = next((index for index, cpu in enumerate(cpus) if cpu >= likely), len(cpus) - 1)
                return cpus[first]
            return cpus[(self._above + self._below) // 2]
        around = [index for index in (self._below, self._above) if 0 <= index < len(cpus)]
        still_open = [cpus[index] for index in around if self.verdicts[cpus[index]] is Verdict.OPEN]
        return min(still_open, key=lambda cpu: len(self.points[cpu]), default=None)


def _likely_cpu(target: Target, saturated: LoadPoint) -> float:
    """The CPU that the demanded rate takes at a likely utilization, cores; 0 when nothing was answered."""
    if not saturated.measured_queries_per_second:
        return 0.0
    per_query_s = saturated.utilized_cpu / saturated.measured_queries_per_second
    return target.demand_rps * per_query_s / LIKELY_UTILIZATION


def _why_none(target: Target, grid: Grid, border: _Border) -> str:
    largest = grid.cpus[-1]
    found = interval_ms(target, border.points[largest])
    asked = f"{target.demand_rps:g} requests per second ({target.rate_rps:g} with head-room)"
    if found is None:
        return f"the load generator was late in every measurement: this machine is too busy to send {asked}"
    told = f"the 99th percentile is between {found[0]:.1f} and {found[1]:.1f} ms, the target is {target.p99_ms:g} ms"
    if border.verdicts[largest] is Verdict.UNCLEAR:
        return f"it can't be told whether {largest:g} CPU, the most that can be measured here, meet the target: {told}"
    return f"{largest:g} CPU, the most that can be measured here, do not meet the target at {asked}: {told}"


def _next_rate(target: Target, cpu: float, points: Sequence[LoadPoint], saturated: LoadPoint) -> float | None:
    """The next rate of the bisection, geometric because it may span orders of magnitude; None when it is done."""
    curve = [point for point in points if point.purpose == "curve" and point.cpu == cpu]
    low, high = max_rate(target, cpu, points), _ceiling_rps(target, cpu, saturated)
    for point in curve:
        if not meets(target, point):
            again = [other for other in curve if other.offered_queries_per_second == point.offered_queries_per_second]
            if len(again) == 1 and not point.overloaded and not point.problem:
                return point.offered_queries_per_second  # a stall of this machine looks the same: once more
            if not any(meets(target, other) for other in again):
                high = min(high, point.offered_queries_per_second)
    if len(curve) >= CURVE_POINTS or high / low <= CURVE_RESOLUTION:
        return None
    return round(sqrt(low * high), 1)


def max_rate(target: Target, cpu: float, points: Sequence[LoadPoint]) -> float:
    """The highest rate that was measured to meet the target with this CPU, requests per second; the demanded one, which
    the repeats have shown, when no higher was."""
    same = [point for point in points if point.cpu == cpu and point.purpose != "settings"]
    met = [point.offered_queries_per_second for point in same if meets(target, point)]
    return max([*met, target.demand_rps])


def _ceiling_rps(target: Target, cpu: float, saturated: LoadPoint) -> float:
    if not saturated.measured_queries_per_second or not saturated.utilized_cpu:
        return target.demand_rps
    per_query_s = saturated.utilized_cpu / saturated.measured_queries_per_second
    return max(target.demand_rps, cpu / per_query_s)


def memory_for(peak_gb: float, grid: Grid) -> float:
    """The peak with its margin, rounded up to 1/64 GB, within what may be recommended; in GB of 2**30 bytes."""
    wanted = max(MIN_MEMORY_GB, peak_gb * MEMORY_FACTOR)
    return min(grid.max_memory_gb, ceil(wanted / MEMORY_STEP_GB) * MEMORY_STEP_GB)


def _memory(
    target: Target, grid: Grid, border: _Border, points: Sequence[LoadPoint], settings: ServerSettings
) -> Measure | Recommendation:
    assert border.cpu is not None
    cpu = border.cpu
    tried = [point for point in points if point.purpose == "verification" and point.cpu == cpu]
    peak_gb = max(point.peak_memory_in_gb for point in points if point.purpose != "verification")
    memory_gb = memory_for(peak_gb, grid)
    for point in tried:
        if point.problem and point.memory_in_gb >= memory_gb:
            memory_gb = memory_for(point.memory_in_gb * MORE_MEMORY / MEMORY_FACTOR, grid)
    at_memory = [point for point in tried if point.memory_in_gb == memory_gb]
    verified = any(meets(target, point) for point in at_memory)
    exhausted = (
        len(tried) >= MAX_VERIFICATIONS
        or len(evidence(target, at_memory)) >= 3
        or bool(at_memory and at_memory[-1].problem)
    )
    if not verified and not exhausted:
        return Measure("verification", cpu, memory_gb, target.demand_rps, settings)
    interval = interval_ms(target, border.points[cpu])
    return Recommendation(
        cpu,
        memory_gb,
        interval,
        proven=verified and border.verdicts[cpu] is Verdict.MEETS,
        max_rate_rps=max_rate(target, cpu, points),
        cheaper_cpu=border.cheaper,
        settings=settings,
        error="" if verified else _not_verified(target, tried),
    )


def _not_verified(target: Target, tried: Sequence[LoadPoint]) -> str:
    last = tried[-1]
    if last.problem:
        return f"with {last.cpu:g} CPU and {last.memory_in_gb:g} GB it is not usable: {last.problem}"
    late = "" if counts(target, last) else ", while the load generator was late"
    found = f"the 99th percentile was {last.latency_percentile_99_in_ms:.1f} ms{late}"
    return f"with {last.cpu:g} CPU and {last.memory_in_gb:g} GB a fresh server did not meet the target: {found}"
