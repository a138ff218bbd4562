"""Which devices run which deployment: shares of traffic as rings of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from shared.resources.iot_edge_compute import IotEdgeCompute

NOBODY = ""  # a target condition that no device meets


class Level(IntEnum):
    """How far above the base deployment a deployment is: what is above takes the place of what is below."""

    BASE = 0  # the runtime
    FORMER_REST = 1  # what ran, until what took its place is applied: it is there to fall back to
    REST = 2  # what runs wherever no ring's does
    FORMER_RING = 3  # what ran in a ring that has a newer version now
    RING = 4


@dataclass(frozen=True, slots=True)
class Ring:
    """The devices of a deployment."""

    condition: str  # in the hub's query language; NOBODY for none
    level: Level  # REST where it runs wherever no other one is laid over it


def rings(weights: Mapping[str, int], compute: IotEdgeCompute, rest: str = "") -> dict[str, Ring]:
    """For each deployment with its percentage. One runs on every device, those without a ring tag too: `rest`, as long
    as it has a share, so that no device changes sides while shares are shifted by steps; then the one with most. The
    others are laid over it where the tag is in their part of 0 to 99, by name. {} for none."""
    base = f"({compute.target_condition})"
    shared = {name: share for name, share in weights.items() if share > 0}
    if rest not in shared:
        rest = min(shared, key=lambda name: (-shared[name], name), default="")
    found: dict[str, Ring] = {}
    begin = 0
    for name in sorted(weights):
        if name == rest:
            found[name] = Ring(base, Level.REST)
        elif name not in shared:
            found[name] = Ring(NOBODY, Level.FORMER_REST)
        else:
            end, tag = begin + shared[name], f"tags.{compute.ring_tag}"
            found[name] = Ring(f"{base} AND {tag} >= {begin} AND {tag} < {end}", Level.RING)
            begin = end
    return found
