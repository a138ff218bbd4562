"""Figures by deployment, and their text for Prometheus (its exposition format 0.0.4)."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
# Each is 26 % above the one before, so that quantiles and rank tests on these counts are of use: 0.5 ms to 52 s.
BOUNDS_S = tuple(round(0.0005 * 2 ** (index / 3), 7) for index in range(51))
_LATENCY = "slipway_router_request_seconds"


class Traffic:
    """What a deployment answered to callers, or to copies of their requests."""

    __slots__ = ("codes", "counts", "errors", "total_s")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.errors = 0
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def count(self, status: int, seconds: float, *, failed: bool = False) -> None:
        """One request that has ended. The seconds go from its sending to the end of its answer; `failed` tells that
        the router gave the status, because of the deployment."""
        self.codes[status] = self.codes.get(status, 0) + 1
        if failed or status >= 500:
            self.errors += 1
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds


class Figures:
    """All figures of one deployment; they outlive its removal from the file."""

    def __init__(self) -> None:
        self.live = Traffic()
        self.mirror = Traffic()
        self.retries = 0
        self.dropped_mirrors = 0
        self.held = 0  # now
        self.in_flight = 0  # now, callers' requests only
        self.last_request_s = 0.0  # Unix time; 0 for never

    def touch(self) -> None:
        """A request for it has come."""
        self.last_request_s = time.time()


class Table:
    """Collects samples by name, so that each name gets one header."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def family(self, name: str, kind: str, text: str) -> None:
        """Begin a metric; `kind` is counter, gauge or histogram."""
        self._lines[name] = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]

    def add(self, name: str, labels: str, value: float, suffix: str = "") -> None:
        """One sample of a metric that was begun."""
        braced = f"{{{labels}}}" if labels else ""
        self._lines[name].append(f"{name}{suffix}{braced} {value:.10g}")

    def text(self) -> bytes:
        """All of them."""
        return ("\n".join(line for lines in self._lines.values() for line in lines) + "\n").encode()


_FAMILIES = (
    ("slipway_router_requests_total", "counter", "Answered requests; traffic is live, or mirror for copies."),
    ("slipway_router_errors_total", "counter", "Of them, answered with 5xx, too late, or not at all."),
    (_LATENCY, "histogram", "From sending a request to the end of its answer."),
    ("slipway_router_in_flight", "gauge", "Requests that were sent and are not answered."),
    ("slipway_router_held", "gauge", "Requests that wait for a process."),
    ("slipway_router_retries_total", "counter", "Requests that were sent again."),
    ("slipway_router_mirror_dropped_total", "counter", "Copies that were not made: too many were under way."),
    ("slipway_router_last_request_timestamp_seconds", "gauge", "When the newest request came; 0 for never."),
)


def add_figures(table: Table, figures: Iterable[tuple[str, Figures]]) -> None:
    """The samples of all deployments."""
    for name, kind, text in _FAMILIES:
        table.family(name, kind, text)
    for deployment, each in figures:
        label = f'deployment="{deployment}"'
        for traffic, counted in (("live", each.live), ("mirror", each.mirror)):
            _add_traffic(table, f'{label},traffic="{traffic}"', counted)
        table.add("slipway_router_in_flight", label, each.in_flight)
        table.add("slipway_router_held", label, each.held)
        table.add("slipway_router_retries_total", label, each.retries)
        table.add("slipway_router_mirror_dropped_total", label, each.dropped_mirrors)
        table.add("slipway_router_last_request_timestamp_seconds", label, round(each.last_request_s))


def _add_traffic(table: Table, labels: str, counted: Traffic) -> None:
    for code, count in sorted(counted.codes.items()):
        table.add("slipway_router_requests_total", f'{labels},code="{code}"', count)
    table.add("slipway_router_errors_total", labels, counted.errors)
    below = 0
    for bound, count in zip((*BOUNDS_S, float("inf")), counted.counts, strict=True):
        below += count
        edge = "+Inf" if bound == float("inf") else f"{bound:g}"
        table.add(_LATENCY, f'{labels},le="{edge}"', below, "_bucket")
    table.add(_LATENCY, labels, counted.total_s, "_sum")
    table.add(_LATENCY, labels, below, "_count")
