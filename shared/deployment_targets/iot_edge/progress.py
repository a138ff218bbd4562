"""What is so of deployments on devices, by the hub's counts; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shared.deployment_targets.iot_edge.changes import Live, above, is_settled, to_be_told
from shared.deployment_targets.iot_edge.configurations import DEPLOYMENT, Configuration, Counts
from shared.deployment_targets.iot_edge.rings import NOBODY, Level
from shared.ports import ObservedDeployment, ObservedEndpoint
from shared.resources.iot_edge_compute import IotEdgeCompute

HOPELESS = 3  # ends in a row that make a deployment Failed
ON_ITS_WAY = "waiting for the hub to count its devices, which it does every 5 minutes"


def observed_endpoint(
    uri: str, wanted: Mapping[str, Configuration], there: Live, now: datetime, compute: IotEdgeCompute
) -> ObservedEndpoint:
    """By the names of deployments. It takes requests when the deployment of most devices does; one whose deployments
    have no share takes none, and nothing is awaited."""
    if not wanted:
        return ObservedEndpoint("", True)
    active = [one for one in wanted.values() if one.condition != NOBODY]
    settled = is_settled(active, there, now, compute)
    found = {name: _observed(one, active, there, compute, settled=settled) for name, one in wanted.items()}
    rest = compute.priority + Level.REST
    is_ready = all(found[name].ready > 0 for name, one in wanted.items() if one.priority == rest)
    return ObservedEndpoint(uri, is_ready, deployments=found)


def _observed(
    one: Configuration, active: list[Configuration], there: Live, compute: IotEdgeCompute, *, settled: bool
) -> ObservedDeployment:
    live = there.get(one.id)
    if live is None:
        return ObservedDeployment(0, is_current=False)
    if one.condition == NOBODY:
        return ObservedDeployment(1)  # the hub holds it, and no device is to run it yet
    if not settled:
        return ObservedDeployment(0, problem=ON_ITS_WAY, is_current=False)
    counts, meant = live.counts, to_be_told(one, active, there)
    if counts.targeted == 0:
        return ObservedDeployment(0, problem=f"no device meets its target condition: {one.condition}")
    if meant == 0:
        return ObservedDeployment(1)  # rings above it have all devices
    needed = math.ceil(meant * compute.success_percent / 100)
    if counts.running >= needed:
        return ObservedDeployment(counts.running)
    # A hub may count a device's report for every deployment that it was told of, for those below a ring too.
    failed = max(
        0, counts.failed - sum(there[each.id].counts.failed for each in above(one, active) if each.id in there)
    )
    is_hopeless = failed + counts.crashed > meant - needed
    problem = _problem(replace(counts, failed=failed), meant)
    return ObservedDeployment(0, failures=HOPELESS if is_hopeless else 0, problem=problem)


def _problem(counts: Counts, meant: int) -> str:
    parts = [f"{counts.running} of {meant} devices run it"]
    if counts.applied < meant:
        parts.append(f"{meant - counts.applied} are not told of it: is there a deployment of a higher priority?")
    if counts.failed:
        parts.append(f"{counts.failed} report that they could not do as told")
    if counts.crashed:
        parts.append(f"on {counts.crashed} its module does not stay up")
    return "; ".join(parts)


def metrics_of(endpoint_there: Live, wanted_ids: Mapping[str, str]) -> str:
    """Gauges of each deployment in Prometheus' text format; `wanted_ids` names the deployments of configurations. ""
    for none. Names of deployments need no escape: they are letters, digits, `-` and `_`."""
    lines = []
    for id_, name in sorted(wanted_ids.items()):
        counts = endpoint_there[id_].counts
        label = f'{{deployment="{name}"}}'
        for what in ("targeted", "applied", "succeeded", "failed", "running", "crashed"):
            lines.append(f"slipway_edge_{what}_devices{label} {getattr(counts, what)}")
        if counts.applied:
            lines.append(f"slipway_edge_running_ratio{label} {counts.running / counts.applied:.6g}")
    return "\n".join(lines) + "\n" if lines else ""


def newest(there: Live) -> dict[str, str]:
    """The configurations with the names of their deployments: of each the one of the highest priority, then the
    newest."""
    found: dict[str, tuple[int, datetime, str]] = {}
    for id_, live in there.items():
        name = live.configuration.labels.get(DEPLOYMENT, "")
        rank = (live.configuration.priority, live.created_at, id_)
        if name and rank > found.get(name, (-1, live.created_at, "")):
            found[name] = rank
    return {id_: name for name, (_, _, id_) in found.items()}


def as_meant(there: Configuration, compute: IotEdgeCompute) -> Configuration:
    """What was declared when it was put: one that is kept to fall back to is meant for no device."""
    is_former = there.priority - compute.priority in (Level.FORMER_REST, Level.FORMER_RING)
    return replace(there, condition=NOBODY) if is_former else there
