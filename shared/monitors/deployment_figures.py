"""What a deployment has counted by one moment, read from the metrics of its router and servers; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.resources.deployment_figures import DeploymentFigures, InstanceUsage
from shared.rollout.prometheus import Sample, arm_counters, read_samples

CPU_S, CPU_LIMIT = "process_cpu_seconds_total", "slipway_scoring_cpu_limit_cores"
MEMORY, MEMORY_LIMIT = "process_resident_memory_bytes", "slipway_scoring_memory_limit_bytes"
_USAGE = frozenset({CPU_S, CPU_LIMIT, MEMORY, MEMORY_LIMIT})
SILENT = "the endpoint gives no figures: what counts its requests does not answer, or cannot be reached from here"


def figures_of(text: str, deployment: str, at: datetime) -> DeploymentFigures:
    """Those of ENDPOINT.DEPLOYMENT in Prometheus' text format; with a problem where there is no text. Raises BadRequest
    for what is no such text."""
    if not text:
        return DeploymentFigures(at=at, deployment=deployment, problem=SILENT)
    short = deployment.partition(".")[2]
    samples = read_samples(text)
    mine = [one for one in samples if one.labels.get("deployment") == short and one.name in _USAGE]
    return DeploymentFigures(
        at=at, deployment=deployment, counters=arm_counters(samples, short), instances=_instances(mine)
    )


def _instances(samples: Sequence[Sample]) -> dict[str, InstanceUsage]:
    """By process, those that tell their processor time and memory."""
    told: dict[str, dict[str, float]] = {}
    for one in samples:
        if math.isfinite(one.value):
            told.setdefault(one.labels.get("process", ""), {})[one.name] = one.value
    return {name: _usage(values) for name, values in told.items() if CPU_S in values and MEMORY in values}


def _usage(values: Mapping[str, float]) -> InstanceUsage:
    limit = values.get(MEMORY_LIMIT)
    return InstanceUsage(
        cpu_s=values[CPU_S],
        cpu_limit_cores=values.get(CPU_LIMIT),
        memory_bytes=round(values[MEMORY]),
        memory_limit_bytes=None if limit is None else round(limit),
    )
