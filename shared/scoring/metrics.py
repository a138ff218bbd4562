"""Counters and histograms, and their text for Prometheus (its exposition format 0.0.4).

Own ones: prometheus_client takes a lock and hashes label values for each of several updates of a request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Histogram:
    """Counts of values up to each bound, and their sum. Updated by the event loop only."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> list[str]:
        """Its samples, without type and help."""
        lines, below = [], 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            below += count
            lines.append(f'{name}_bucket{{le="{bound:g}"}} {below}')
        below += self.counts[-1]
        return [*lines, f'{name}_bucket{{le="+Inf"}} {below}', f"{name}_sum {self.total:.9g}", f"{name}_count {below}"]


class Metrics:
    """All figures of a server."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}  # route, status
        self.request_seconds = Histogram(_SECONDS)  # from the last byte of the request to its answer
        self.run_seconds = Histogram(_SECONDS)  # of one call of the model or script
        self.batch_rows = Histogram(_ROWS)
        self._read: dict[str, tuple[str, str, Callable[[], float]]] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """One answered request."""
        key = (route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        self.request_seconds.observe(seconds)

    def read(self, name: str, kind: str, text: str, value: Callable[[], float]) -> None:
        """Add, or replace, a figure that is asked for when the metrics are read; `kind` is gauge or counter."""
        self._read[name] = (kind, text, value)

    def text(self) -> bytes:
        """All of them for Prometheus."""
        name = "slipway_scoring_requests_total"
        lines = [f"# HELP {name} Answered requests.", f"# TYPE {name} counter"]
        for (route, status), count in sorted(self.requests.items()):
            lines.append(f'{name}{{route="{route}",status="{status}"}} {count}')
        for name, text, histogram in (
            ("slipway_scoring_request_seconds", "From the request's last byte to its answer.", self.request_seconds),
            ("slipway_scoring_run_seconds", "One call of the model or script.", self.run_seconds),
            ("slipway_scoring_batch_rows", "Rows of one call of the model.", self.batch_rows),
        ):
            lines += [f"# HELP {name} {text}", f"# TYPE {name} histogram", *histogram.lines(name)]
        for name, (kind, text, value) in self._read.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value():.10g}"]
        return ("\n".join(lines) + "\n").encode()
