"""What a router's or server's /metrics says, read from Prometheus' text (exposition format 0.0.4)."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.errors import BadRequest
from shared.resources.rollout import ArmCounters, LatencyHistogram
from shared.rollout.significance import Summary

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?[0-9]+)?")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?\s*')
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ROUTER_LATENCY = "slipway_router_request_seconds_bucket"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line."""

    name: str
    labels: Mapping[str, str]
    value: float  # may be NaN or infinite

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it has all of these labels; it may have more."""
        return all(self.labels.get(name) == value for name, value in labels.items())


def read_samples(text: str) -> tuple[Sample, ...]:
    """All samples in their order; () for none. Raises BadRequest with the line that is none."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        try:
            if match is None:
                raise ValueError("no name and value")
            found.append(Sample(match[1], _labels(match[2] or ""), float(match[3])))
        except ValueError as error:
            raise BadRequest(
                f"line {number} of the metrics is no sample: {line[:200]!r} ({error})",
                remedy="let the address give Prometheus' text format 0.0.4",
            ) from error
    return tuple(found)


def _labels(text: str) -> dict[str, str]:
    labels, position = {}, 0
    while position < len(text):
        match = _LABEL.match(text, position)
        if match is None:
            raise ValueError(f"labels {text[position:][:50]!r}")
        labels[match[1]] = re.sub(r"\\.", lambda escaped: _ESCAPED.get(escaped[0], escaped[0]), match[2])
        position = match.end()
    return labels


def arm_counters(samples: tuple[Sample, ...], deployment: str) -> ArmCounters:
    """What the local router counted of a deployment, callers' requests and copies together; zeros for one it does not
    know."""
    wanted = {"deployment": deployment}
    mine = [sample for sample in samples if sample.has(wanted)]
    below: dict[float, float] = {}
    for sample in mine:
        if sample.name == _ROUTER_LATENCY:
            bound = float(sample.labels["le"])
            below[bound] = below.get(bound, 0.0) + sample.value
    bounds = sorted(below)
    cumulative = [0.0, *(below[bound] for bound in bounds)]
    counts = [round(late - early) for early, late in itertools.pairwise(cumulative)]
    return ArmCounters(
        requests=_sum(mine, "slipway_router_requests_total"),
        errors=_sum(mine, "slipway_router_errors_total"),
        latency=LatencyHistogram(
            bounds_ms=[bound * 1000 for bound in bounds if bound < math.inf], counts=counts or [0]
        ),
    )


def _sum(samples: list[Sample], name: str) -> int:
    return round(sum(sample.value for sample in samples if sample.name == name))


def gauge(samples: tuple[Sample, ...], name: str, labels: Mapping[str, str]) -> Summary | None:
    """The value of a metric as a check takes it: the mean of all samples with these labels, as one value; None when
    there is none, or one is not a number."""
    values = [sample.value for sample in samples if sample.name == name and sample.has(labels)]
    if not values or not all(math.isfinite(value) for value in values):
        return None
    return Summary(1, math.fsum(values) / len(values), 0.0)


def distribution(samples: tuple[Sample, ...], name: str, labels: Mapping[str, str]) -> Summary | None:
    """A histogram's values since its servers began, as many as were counted: its mean by the sum, its variance by the
    buckets, each with that of an even spread; values above the last bound count as it. None when there is none of that
    name, or it is empty."""
    mine = [sample for sample in samples if sample.has(labels)]
    below: dict[float, float] = {}
    for sample in mine:
        if sample.name == f"{name}_bucket":
            bound = float(sample.labels["le"])
            below[bound] = below.get(bound, 0.0) + sample.value
    count = round(max(below.values(), default=0.0))
    total = math.fsum(sample.value for sample in mine if sample.name == f"{name}_sum")
    if not count or not math.isfinite(total):
        return None
    mean, low, former, squares = total / count, 0.0, 0.0, 0.0
    for bound in sorted(below):
        high = bound if math.isfinite(bound) else low
        each = ((low + high) / 2 - mean) ** 2 + (high - low) ** 2 / 12
        squares += (below[bound] - former) * each
        low, former = high, below[bound]
    return Summary(count, mean, squares / max(count - 1, 1))
