"""Which devices run which deployment: shares of traffic as rings of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.resources.iot_edge_compute import IotEdgeCompute

NOBODY = ""  # a target condition that no device meets


@dataclass(frozen=True, slots=True)
class Ring:
    """The devices of a deployment."""

    condition: str  # in the hub's query language; NOBODY for none
    is_primary: bool  # whether it runs wherever no other one is laid over it


def rings(weights: Mapping[str, int], compute: IotEdgeCompute) -> dict[str, Ring]:
    """For each deployment with its percentage. The one with most of it runs on every device, those without a ring tag
    too; the others are laid over it where the tag is in their part of 0 to 99, by name. {} for none."""
    base = f"({compute.target_condition})"
    shared = {name: share for name, share in weights.items() if share > 0}
    primary = min(shared, key=lambda name: (-shared[name], name), default="")
    found: dict[str, Ring] = {}
    begin = 0
    for name in sorted(weights):
        if name == primary:
            found[name] = Ring(base, is_primary=True)
        elif name not in shared:
            found[name] = Ring(NOBODY, is_primary=False)
        else:
            end, tag = begin + shared[name], f"tags.{compute.ring_tag}"
            found[name] = Ring(f"{base} AND {tag} >= {begin} AND {tag} < {end}", is_primary=False)
            begin = end
    return found
