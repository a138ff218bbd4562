"""Profiles: what a model's server needs for a load, with Azure ML's field names (azureml-core, ModelProfile).

Azure ML has none in its second version; the names are those of its first, the fields after `error` are Slipway's.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from shared.resources.base import Document

KIND = "profile"


def _azure_name(field: str) -> str:
    return to_camel(field).replace("InGb", "InGB")


class ProfileState(StrEnum):
    """Azure ML's states of an operation."""

    NOT_STARTED = "NotStarted"  # nothing was measured yet
    RUNNING = "Running"  # it is being measured
    CANCELLED = "Cancelled"  # somebody asked for that; what was measured before is kept
    SUCCEEDED = "Succeeded"  # there is a result; with `error` it is a partial one, and that says what is missing
    FAILED = "Failed"  # the model could not be measured: `error` says why, the log's end shows it
    TIMED_OUT = "TimedOut"  # the time of the whole profile was over; what was measured before is kept


PROFILE_TRANSITIONS: dict[ProfileState, frozenset[ProfileState]] = {
    ProfileState.NOT_STARTED: frozenset({ProfileState.RUNNING, ProfileState.CANCELLED, ProfileState.FAILED}),
    ProfileState.RUNNING: frozenset(
        {ProfileState.CANCELLED, ProfileState.SUCCEEDED, ProfileState.FAILED, ProfileState.TIMED_OUT}
    ),
    ProfileState.CANCELLED: frozenset(),
    ProfileState.SUCCEEDED: frozenset(),
    ProfileState.FAILED: frozenset(),
    ProfileState.TIMED_OUT: frozenset(),
}
PROFILE_TERMINAL = frozenset(state for state, following in PROFILE_TRANSITIONS.items() if not following)


class _Azure(Document):
    model_config = ConfigDict(alias_generator=_azure_name, populate_by_name=True)

    def as_json(self) -> dict[str, Any]:
        """The document with Azure ML's names, without what is not known."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class LoadPoint(_Azure):
    """One measurement: a load on the server with this CPU and memory. GB are 2**30 bytes, as Kubernetes' Gi."""

    purpose: Literal["saturation", "settings", "target", "curve", "verification"]  # why it was made
    cpu: float  # cores it was limited to
    memory_in_gb: float  # it was limited to
    threads: int = 0  # of the model; 0: as many as it has cores
    max_batch_rows: int = 256  # rows of one call of the model
    batch_delay_in_ms: float = 0.0  # that requests waited for others
    offered_queries_per_second: float = 0.0  # of the open loop; 0 for the closed loop of the saturation
    measured_queries_per_second: float = 0.0  # answered with success
    total_queries: int = 0
    success_queries: int = 0
    average_latency_in_ms: float = 0.0  # latencies count from the moment a request was meant to be sent
    latency_percentile_50_in_ms: float = 0.0
    latency_percentile_90_in_ms: float = 0.0
    latency_percentile_95_in_ms: float = 0.0
    latency_percentile_99_in_ms: float = 0.0
    latency_percentile_999_in_ms: float = 0.0
    lateness_percentile_99_in_ms: float = 0.0  # of the load generator itself, and part of the latencies
    utilized_cpu: float = 0.0  # cores, on average
    throttled_periods: int = 0  # of 100 ms in which it wanted more CPU than its limit
    peak_memory_in_gb: float = 0.0  # since the server began
    growth_in_bytes_per_query: float = 0.0  # of its memory while this load ran; 0 when it did not grow steadily
    start_up_time_in_s: float = 0.0  # of the server that was measured
    overloaded: bool = False  # given up, because the queue only grew
    problem: str = ""  # why the server could not be measured with this; "" when it could

    @property
    def success_rate(self) -> float:
        """0 to 1; 0 for no requests."""
        return self.success_queries / self.total_queries if self.total_queries else 0.0


class Interval(_Azure):
    """A 95 % confidence interval."""

    low: float
    high: float


class PriceEstimate(_Azure):
    """What the recommendation costs in a month at one target, by a table of prices."""

    target: str  # where it runs
    monthly_price: float
    currency: str
    basis: str  # how it came about
    is_example: bool = False  # whether the table only shows the form: replace it by your own prices


class ProfileResult(_Azure):
    """All that a profile found. None: not known."""

    name: str | None = None
    description: str | None = None
    state: ProfileState = ProfileState.NOT_STARTED
    created_time: datetime | None = None
    requested_cpu: float | None = None  # cores: the most that was measured
    requested_memory_in_gb: float | None = None  # GB of 2**30 bytes: the most that was allowed
    requested_queries_per_second: float | None = None
    max_utilized_cpu: float | None = None  # cores, with the recommendation, in the busiest measurement
    max_utilized_memory_in_gb: float | None = None
    total_queries: int | None = None  # with the recommendation, at the requested rate with its head-room
    success_queries: int | None = None
    success_rate: float | None = None  # 0 to 1
    average_latency_in_ms: float | None = None
    latency_percentile_50_in_ms: float | None = None
    latency_percentile_90_in_ms: float | None = None
    latency_percentile_95_in_ms: float | None = None
    latency_percentile_99_in_ms: float | None = None
    latency_percentile_999_in_ms: float | None = None
    measured_queries_per_second: float | None = None
    recommended_cpu: float | None = None  # cores
    recommended_memory_in_gb: float | None = None
    error: str | None = None  # why there is no result, or what is missing in it
    # Slipway's own
    target_latency_percentile_99_in_ms: float | None = None
    latency_interval_in_ms: Interval | None = None  # of the 99th percentile between repeats
    proven: bool = False  # whether the interval lies below the target; False: it is the best guess
    max_queries_per_second: float | None = None  # highest open-loop rate that met the target with the recommendation
    cheaper_cpu: float | None = None  # the next smaller that was measured; None: the recommendation is the smallest
    recommended_threads: int | None = None  # of the model (SLIPWAY_SCORING_THREADS)
    recommended_max_batch_rows: int | None = None  # rows of one call of the model (SLIPWAY_SCORING_MAX_BATCH_ROWS)
    recommended_batch_delay_in_ms: float | None = None  # that requests wait for others (SLIPWAY_SCORING_MAX_DELAY_MS)
    start_up_time_in_s: float | None = None  # with exactly the recommended limits
    leak_suspected: bool | None = None
    growth_in_bytes_per_query: float | None = None
    limits_method: str | None = None  # how CPU and memory were limited
    notes: list[str] = Field(default_factory=list)  # what a reader has to know about this machine and these figures
    prices: list[PriceEstimate] = Field(default_factory=list)
    points: list[LoadPoint] = Field(default_factory=list)  # every measurement, in order; a profile goes on from them
    log_tail: list[str] = Field(default_factory=list)  # the last lines of the server's log; [] when it succeeded

    def curve(self) -> list[LoadPoint]:
        """Latency by load with the recommended CPU, by rising rate; [] before anything was recommended."""
        found = [
            p
            for p in self.points
            if p.cpu == self.recommended_cpu and p.offered_queries_per_second > 0 and p.purpose != "settings"
        ]
        return sorted(found, key=lambda point: point.offered_queries_per_second)
