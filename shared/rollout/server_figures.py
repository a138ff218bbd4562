"""What a single server of an endpoint counted, in the words of the local router; pure."""

from __future__ import annotations

from shared.rollout.prometheus import Sample, read_samples

_ROUTES = ("/score", "/invocations", "/v2/models/infer")  # of the scoring server, that score
_REQUESTS = "slipway_scoring_requests_total"
_SECONDS = "slipway_scoring_run_seconds_bucket"  # those of requests count probes, too
_USED = (
    "process_cpu_seconds_total", "process_resident_memory_bytes", "slipway_scoring_cpu_limit_cores",
    "slipway_scoring_memory_limit_bytes",
)  # fmt: skip


def as_router(text: str, deployment: str, process: str) -> str:
    """Requests, errors and the seconds of the model, and what the server uses, by its /metrics. Raises BadRequest for
    what is no such text."""
    samples = read_samples(text)
    label = f'deployment="{deployment}"'
    asked = [one for one in samples if one.name == _REQUESTS and one.labels.get("route") in _ROUTES]
    lines = [
        f"slipway_router_requests_total{{{label}}} {_total(asked):.10g}",
        f"slipway_router_errors_total{{{label}}} {_total([one for one in asked if _failed(one)]):.10g}",
    ]
    for one in samples:
        if one.name == _SECONDS:
            lines.append(
                f'slipway_router_request_seconds_bucket{{{label},le="{one.labels.get("le", "")}"}} {one.value:.10g}'
            )
        elif one.name in _USED:
            lines.append(f'{one.name}{{{label},process="{process}"}} {one.value:.10g}')
    return "\n".join(lines) + "\n"


def _total(samples: list[Sample]) -> float:
    return sum(one.value for one in samples)


def _failed(one: Sample) -> bool:
    return one.labels.get("status", "").startswith("5")
