"""The traffic rules of Azure ML's endpoints, v2 and v1. Source: azure-ai-ml's and azureml-core's own checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.errors import Fault, Invalid

MAX_MIRROR_PERCENT = 50  # the service's; the SDK's schema text speaks of 5
MAX_V1_VERSIONS = 6


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who gets which percent of the requests, and of copies of them."""

    weights: Mapping[str, int]  # every deployment of the endpoint has its entry
    mirror: Mapping[str, int]  # at most one entry


def faults_of(traffic: Traffic, deployments: Iterable[str]) -> tuple[Fault, ...]:
    """Everything that is wrong with traffic among these deployments; () when nothing is."""
    known = frozenset(deployments)
    found = _unknown(traffic.weights, known, "/traffic") + _unknown(traffic.mirror, known, "/mirror_traffic")
    found += [
        Fault(f"{percent} is no percentage", f"/traffic/{name}", allowed="0 to 100")
        for name, percent in traffic.weights.items()
        if not 0 <= percent <= 100
    ]
    total = sum(traffic.weights.values())
    if total not in (0, 100):
        found.append(Fault(f"the percentages sum up to {total}", "/traffic", allowed="100 in all, or 0 everywhere"))
    return tuple(found + _mirror_faults(traffic))


def _unknown(percents: Mapping[str, int], known: frozenset[str], pointer: str) -> list[Fault]:
    allowed = ", ".join(sorted(known)) or "none: there is no deployment yet"
    return [
        Fault(f"the endpoint has no deployment {name!r}", f"{pointer}/{name}", allowed=allowed)
        for name in percents
        if name not in known
    ]


def _mirror_faults(traffic: Traffic) -> list[Fault]:
    found = []
    copied = {name: percent for name, percent in traffic.mirror.items() if percent}
    if len(copied) > 1:
        found.append(Fault(f"{', '.join(copied)} are mirrored to", "/mirror_traffic", allowed="one deployment"))
    for name, percent in traffic.mirror.items():
        if not 0 <= percent <= MAX_MIRROR_PERCENT:
            allowed = f"0 to {MAX_MIRROR_PERCENT}"
            found.append(Fault(f"{percent} percent can't be mirrored", f"/mirror_traffic/{name}", allowed=allowed))
        if percent > 0 and traffic.weights.get(name, 0) > 0:
            message = f"{name!r} gets {traffic.weights[name]} percent of the traffic itself"
            found.append(Fault(message, f"/mirror_traffic/{name}", allowed="a deployment whose traffic is 0"))
    if copied and not any(traffic.weights.values()):
        found.append(Fault("there is no traffic to copy", "/mirror_traffic", allowed="traffic of 100 percent"))
    return found


def patched(current: Traffic, patch: Traffic, deployments: Iterable[str]) -> Traffic:
    """`current` with the entries of `patch`: a deployment that the patch does not name keeps what it has. A mirror in
    the patch takes the place of the one before. Raises Invalid with every fault."""
    names = list(deployments)
    weights = {name: patch.weights.get(name, current.weights.get(name, 0)) for name in [*names, *patch.weights]}
    mirror = {name: percent for name, percent in (patch.mirror or current.mirror).items() if percent}
    after = Traffic(weights, mirror)
    checked_mirror = Traffic(weights, patch.mirror or current.mirror)
    if faults := faults_of(checked_mirror, names):
        kept = {name: percent for name, percent in weights.items() if percent and name not in patch.weights}
        remedy = "name all deployments whose share changes, so that the sum stays 100"
        if kept:
            remedy += f" (unchanged: {', '.join(f'{name}={percent}' for name, percent in kept.items())})"
        raise Invalid("the traffic can't be so", faults=faults, remedy=remedy)
    return after


def with_deployment(current: Traffic, name: str) -> Traffic:
    """`current` with a new deployment, which gets 0; unchanged for one that is there."""
    return Traffic({**current.weights, name: current.weights.get(name, 0)}, current.mirror)


def without_deployment(current: Traffic, name: str) -> Traffic:
    """`current` without a deployment. Raises Invalid while it gets requests or copies of them."""
    faults = []
    if percent := current.weights.get(name, 0):
        faults.append(Fault(f"{name!r} gets {percent} percent", f"/traffic/{name}", allowed="0"))
    if percent := current.mirror.get(name, 0):
        faults.append(Fault(f"{percent} percent are mirrored to {name!r}", f"/mirror_traffic/{name}", allowed="0"))
    if faults:
        raise Invalid(f"{name} has traffic", faults=tuple(faults), remedy="give its traffic to another deployment")
    weights = {each: percent for each, percent in current.weights.items() if each != name}
    return Traffic(weights, {each: percent for each, percent in current.mirror.items() if each != name})


def weights_of_v1(percentiles: Mapping[str, int], default: str) -> dict[str, int]:
    """v1's traffic_percentile as weights: what is left over goes to the default version (azureml-core, AksEndpoint).
    Raises Invalid with every fault."""
    faults = [
        Fault(f"{percent} is no percentage", f"/versions/{name}/trafficPercentile", allowed="0 to 100")
        for name, percent in percentiles.items()
        if not 0 <= percent <= 100
    ]
    if len(percentiles) > MAX_V1_VERSIONS:
        faults.append(Fault(f"there are {len(percentiles)} versions", "/versions", allowed=f"{MAX_V1_VERSIONS}"))
    if default not in percentiles:
        faults.append(Fault(f"{default!r} is no version", "/default", allowed=", ".join(percentiles)))
    others = sum(percent for name, percent in percentiles.items() if name != default)
    if others > 100:
        faults.append(Fault(f"versions other than the default have {others}", "/versions", allowed="at most 100"))
    if faults:
        raise Invalid("the traffic can't be so", faults=tuple(faults), remedy="lower the traffic percentiles")
    return {name: 100 - others if name == default else percent for name, percent in percentiles.items()}
