"""One measurement of a running server: the load, and what the server used meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from shared.profiling.load import Load, LoadResult, run_apart
from shared.profiling.samples import Samples
from shared.profiling.search import Measure
from shared.profiling.server import Server
from shared.profiling.statistics import percentile, slope
from shared.resources.profile import LoadPoint

GB = 2**30
SATURATION_CONCURRENCY = 8
WARMING_BYTES = 4 * 2**20  # that a server may grow by while a load runs, without a leak: its allocator takes that much
WARM_UP_S = 0.5  # before each open loop: after another CPU or rate the first answers are different ones
STEADY_TIMEOUT_S = 8.0
_SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True)
class Probe:
    """How servers are asked."""

    samples: Samples
    path: str
    request_timeout_s: float
    cores: tuple[int, ...]  # of the load generator
    seed: int

    def load(self, server: Server, measure: Measure, number: int) -> Load:
        """The load of a measurement; each has its own seed, so that repeats are not the same requests again."""
        closed = not measure.rate_rps
        return Load(
            port=server.port,
            path=self.path,
            content_type=self.samples.content_type,
            bodies=tuple(body.decode() for body in self.samples.bodies),
            duration_s=measure.duration_s,
            rate_rps=measure.rate_rps,
            concurrency=SATURATION_CONCURRENCY if closed else 1,
            warm_up_s=0.0 if closed else WARM_UP_S,
            timeout_s=self.request_timeout_s,
            seed=self.seed * 1_000 + number,
            cores=self.cores,
        )

    async def first(self, server: Server) -> str:
        """Ask once. What was wrong with the answer; "" for nothing."""
        asked = self.load(server, Measure("saturation", 0, 0, 0.0), 0)
        result = await run_apart(replace(asked, duration_s=self.request_timeout_s + 1, concurrency=1, most=1))
        if result.succeeded:
            return ""
        if reason := server.ended_reason():
            return reason
        if result.unanswered:
            return f"the first request was not answered within {self.request_timeout_s:g} s"
        status = next(iter(result.statuses), "0")
        return f"the first sample was answered with status {status}" if status != "0" else "it closed the connection"

    async def warm_up(self, server: Server) -> bool:
        """Ask until three windows of 1 s agree; whether they did within the time limit."""
        asked = self.load(server, Measure("saturation", 0, 0, 0.0), 0)
        return (await run_apart(replace(asked, duration_s=STEADY_TIMEOUT_S, until_steady=True))).steady

    async def measure(self, server: Server, measure: Measure, number: int) -> LoadPoint:
        """Make the measurement. Raises Permanent when the load generator fails."""
        before, began_s = server.running.usage(), time.perf_counter()
        memory: list[tuple[float, float]] = []
        watching = asyncio.get_running_loop().create_task(_watch(server, memory))
        try:
            result = await run_apart(self.load(server, measure, number))
        finally:
            watching.cancel()
        after, elapsed_s = server.running.usage(), time.perf_counter() - began_s
        busy_s = min(elapsed_s, result.duration_s + (WARM_UP_S if measure.rate_rps else 0.0)) or elapsed_s
        growth = slope(memory[len(memory) // 4 :])  # bytes per second, without the beginning
        return LoadPoint(
            purpose=measure.purpose,
            cpu=measure.cpu,
            memory_in_gb=measure.memory_gb,
            threads=measure.settings.threads,
            max_batch_rows=measure.settings.max_batch_rows,
            batch_delay_in_ms=measure.settings.batch_delay_ms,
            offered_queries_per_second=measure.rate_rps,
            utilized_cpu=max(0.0, after.cpu_s - before.cpu_s) / busy_s,
            throttled_periods=after.throttled_periods - before.throttled_periods,
            peak_memory_in_gb=after.peak_memory_bytes / GB,
            growth_in_bytes_per_query=growth * result.duration_s / result.sent if result.sent else 0.0,
            start_up_time_in_s=server.start_s,
            problem=server.ended_reason(),
            **_latencies(result),
        )


def _latencies(result: LoadResult) -> dict[str, float | int | bool]:
    found: dict[str, float | int | bool] = {
        "total_queries": result.sent,
        "success_queries": result.succeeded,
        "measured_queries_per_second": result.succeeded / result.duration_s if result.duration_s > 0 else 0.0,
        "overloaded": result.overloaded,
    }
    if latencies := result.latencies_ms:
        found["average_latency_in_ms"] = fmean(latencies)
        for name, percent in (("50", 50.0), ("90", 90.0), ("95", 95.0), ("99", 99.0), ("999", 99.9)):
            found[f"latency_percentile_{name}_in_ms"] = percentile(latencies, percent)
    if result.lateness_ms:
        found["lateness_percentile_99_in_ms"] = percentile(result.lateness_ms, 99)
    return found


async def _watch(server: Server, memory: list[tuple[float, float]]) -> None:
    while True:
        memory.append((time.perf_counter(), float(server.running.usage().memory_bytes)))
        await asyncio.sleep(_SAMPLE_S)


def leak_suspected(points: Sequence[LoadPoint]) -> tuple[bool, float]:
    """Whether memory grew steadily, and by how many bytes per request (the median of the open loops): a leak where that
    would fill a tenth of the peak again within 10,000 requests, and was more than allocators take while they warm up.
    (False, 0) without open loops."""
    loops = [point for point in points if point.offered_queries_per_second and not point.overloaded]
    if not loops:
        return False, 0.0
    growth = percentile(sorted(point.growth_in_bytes_per_query for point in loops), 50)
    seen_bytes = percentile(sorted(point.growth_in_bytes_per_query * point.total_queries for point in loops), 50)
    peak = max(point.peak_memory_in_gb for point in points) * GB
    return growth * 10_000 > 0.1 * peak and seen_bytes > WARMING_BYTES, growth
