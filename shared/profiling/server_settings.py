"""The settings of the scoring server that a profile tries: threads of the model and how requests are batched. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from shared.profiling.verdicts import Target, meets
from shared.resources.profile import LoadPoint

MIN_GAIN = 1.2  # in what a request costs, below which the default stays: less is within what repeats differ by
DELAY_MS = 2.0  # that requests wait for others; what they cost is answered in time only where there is time
DELAY_SHARE = 0.1  # of the target that may be waited
UNBATCHED, BATCHED = 1, 256  # rows of one call of the model; 256 is the server's default


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server works. The defaults are its own."""

    threads: int = 0  # of the model; 0: as many as it has cores, a part of one counted as one
    max_batch_rows: int = BATCHED
    batch_delay_ms: float = 0.0

    def environ(self, cpu: float) -> dict[str, str]:
        """Its environment variables. Threads are always told: a container would see the quota at the root of its own
        cgroups, which a process on this machine does not."""
        told = {"SLIPWAY_SCORING_THREADS": str(self.threads or max(1, ceil(cpu)))}
        if self.max_batch_rows != BATCHED:
            told["SLIPWAY_SCORING_MAX_BATCH_ROWS"] = str(self.max_batch_rows)
        if self.batch_delay_ms:
            told["SLIPWAY_SCORING_MAX_DELAY_MS"] = f"{self.batch_delay_ms:g}"
        return told

    @classmethod
    def of(cls, point: LoadPoint) -> ServerSettings:
        """Those that a measurement was made with."""
        return cls(point.threads, point.max_batch_rows, point.batch_delay_in_ms)


DEFAULT = ServerSettings()


def worth_trying(target: Target, most_cores: int, *, is_onnx: bool) -> tuple[ServerSettings, ...]:
    """The default, and what may be cheaper: one thread where there are several cores, no batches, and batches that are
    waited for where the target leaves time for it. Scripts take one request a call: for them only the default."""
    if not is_onnx:
        return (DEFAULT,)
    single = [ServerSettings(threads=1)] if most_cores > 1 else []
    waits = [ServerSettings(batch_delay_ms=DELAY_MS)] if DELAY_SHARE * target.p99_ms >= DELAY_MS else []
    return (DEFAULT, *single, ServerSettings(max_batch_rows=UNBATCHED), *waits)


def next_settings(tried: Sequence[ServerSettings], points: Sequence[LoadPoint]) -> ServerSettings | None:
    """The next of them to measure; None when all are, or there is nothing to choose from."""
    measured = {ServerSettings.of(point) for point in points if point.purpose == "settings"}
    return next((one for one in tried if one not in measured), None) if len(tried) > 1 else None


def best_settings(target: Target, points: Sequence[LoadPoint]) -> ServerSettings:
    """Those with which a request costs the least CPU at the demanded rate, if that is clearly less than with the
    default, and the target is met where the default meets it. The default where nothing was measured."""
    measured = {ServerSettings.of(point): point for point in points if point.purpose == "settings"}
    default = measured.get(DEFAULT)
    if default is None or not default.success_queries:
        return DEFAULT
    usable = {one: p for one, p in measured.items() if meets(target, p) or not meets(target, default)}
    costs = {one: _cpu_s_per_query(point) for one, point in usable.items() if point.success_queries}
    best = min(costs, key=lambda one: costs[one])
    return best if costs[best] * MIN_GAIN <= costs[DEFAULT] else DEFAULT


def _cpu_s_per_query(point: LoadPoint) -> float:
    return point.utilized_cpu / point.measured_queries_per_second
