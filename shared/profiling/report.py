"""From what a profile found to its result document. Pure, but for the time of day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil

from shared.profiling.plan import ProfilePlan
from shared.profiling.prices import PriceTable, estimates, read_prices
from shared.profiling.probe import leak_suspected
from shared.profiling.search import Grid, Recommendation
from shared.profiling.verdicts import LATE_SHARE
from shared.resources.profile import Interval, LoadPoint, ProfileResult, ProfileState


@dataclass(slots=True)
class Findings:
    """What is known while a profile runs; the result is made of it at any time."""

    plan: ProfilePlan
    grid: Grid
    method: str
    notes: list[str]
    points: list[LoadPoint]
    state: ProfileState = ProfileState.NOT_STARTED
    recommendation: Recommendation | None = None
    error: str = ""
    log_tail: list[str] = field(default_factory=list)


def result_of(findings: Findings, prices: PriceTable | None = None) -> ProfileResult:
    """The document; prices are the packaged ones when none are given."""
    plan, found = findings.plan, findings.recommendation
    result = ProfileResult(
        state=findings.state,
        created_time=datetime.now(UTC),
        requested_cpu=findings.grid.cpus[-1],
        requested_memory_in_gb=findings.grid.max_memory_gb,
        requested_queries_per_second=plan.target_rps,
        target_latency_percentile_99_in_ms=plan.p99_ms,
        limits_method=findings.method,
        notes=[*findings.notes, *_notes(findings)],
        points=findings.points,
        error=_error(findings) or None,
        log_tail=[] if findings.state is ProfileState.SUCCEEDED and found and found.proven else findings.log_tail,
    )
    if found is None or found.cpu is None or found.memory_gb is None:
        return result
    recommended = {
        "recommended_cpu": found.cpu,
        "recommended_memory_in_gb": found.memory_gb,
        "proven": found.proven,
        "max_queries_per_second": found.max_rate_rps,
        "cheaper_cpu": found.cheaper_cpu,
        "recommended_threads": found.settings.threads or max(1, ceil(found.cpu)),
        "recommended_max_batch_rows": found.settings.max_batch_rows,
        "recommended_batch_delay_in_ms": found.settings.batch_delay_ms,
        "latency_interval_in_ms": Interval(low=found.interval_ms[0], high=found.interval_ms[1])
        if found.interval_ms
        else None,
        "prices": estimates(prices or read_prices(), found.cpu, found.memory_gb),
    }
    return result.model_copy(update=recommended | _measured(findings.points, found))


def _measured(points: list[LoadPoint], found: Recommendation) -> dict[str, object]:
    """The figures of the recommendation: of the server that had exactly its limits."""
    at_cpu = [point for point in points if point.cpu == found.cpu and point.offered_queries_per_second]
    same_cpu = [point for point in at_cpu if point.purpose != "settings"]
    exact = [p for p in same_cpu if p.purpose == "verification" and p.memory_in_gb == found.memory_gb]
    shown = exact[-1] if exact else same_cpu[-1]
    leak, growth = leak_suspected(same_cpu)
    names = ("50", "90", "95", "99", "999")
    return {
        "max_utilized_cpu": max(point.utilized_cpu for point in same_cpu),
        "max_utilized_memory_in_gb": max(point.peak_memory_in_gb for point in same_cpu),
        "total_queries": shown.total_queries,
        "success_queries": shown.success_queries,
        "success_rate": shown.success_rate,
        "average_latency_in_ms": shown.average_latency_in_ms,
        **{f"latency_percentile_{n}_in_ms": getattr(shown, f"latency_percentile_{n}_in_ms") for n in names},
        "measured_queries_per_second": shown.measured_queries_per_second,
        "start_up_time_in_s": shown.start_up_time_in_s,
        "leak_suspected": leak,
        "growth_in_bytes_per_query": growth,
    }


def _error(findings: Findings) -> str:
    found = findings.recommendation
    if findings.state is ProfileState.TIMED_OUT:
        return f"it took longer than {findings.plan.total_timeout_s:g} s; {len(findings.points)} measurements were made"
    if findings.state is ProfileState.CANCELLED:
        return f"it was cancelled after {len(findings.points)} measurements"
    if found is not None and found.error:
        return found.error
    return findings.error


def _notes(findings: Findings) -> list[str]:
    notes, found = [], findings.recommendation
    limit_ms = LATE_SHARE * findings.plan.p99_ms
    late = sum(point.lateness_percentile_99_in_ms > limit_ms for point in findings.points)
    if late:
        notes.append(
            f"the load generator was late by more than {limit_ms:g} ms in {late} of {len(findings.points)} "
            "measurements: this machine is busy with something else"
        )
    if found is None or found.cpu is None:
        return notes
    if found.cheaper_cpu is None:
        notes.append(f"{found.cpu:g} CPU is the smallest that was measured: less may do")
    if found.cpu > 0 and any(p.throttled_periods for p in findings.points if p.cpu == found.cpu):
        notes.append("the CPU limit held it back at times: that is in the latencies (see throttledPeriods)")
    if leak_suspected([p for p in findings.points if p.cpu == found.cpu])[0]:
        notes.append("its memory grows with every request: it will be killed at any limit, sooner or later")
    return notes
