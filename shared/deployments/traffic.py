"""Live traffic: what was asked for last, and what of it can be so."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from shared.resources.endpoint_status import OnlineEndpointStatus, TrafficBefore


def declared_again(status: OnlineEndpointStatus, declaration: Mapping[str, object]) -> OnlineEndpointStatus:
    """The status after the endpoint was declared anew: traffic that the declaration names is taken over; one that it
    leaves out stays as it is, so that an update never takes a deployment's traffic away."""
    said = {name: declaration.get(name) for name in ("traffic", "mirror_traffic")}
    new = {
        name: {str(key): int(value) for key, value in shares.items()}
        for name, shares in said.items()
        if isinstance(shares, dict) and shares
    }
    mirror = new.get("mirror_traffic", status.mirror_traffic)
    return with_traffic(status, new.get("traffic", status.traffic), mirror, status.sticky_header, "")


def with_traffic(
    status: OnlineEndpointStatus, traffic: dict[str, int], mirror: dict[str, int], sticky_header: str, rollout: str
) -> OnlineEndpointStatus:
    """The status with that traffic, and the way back to what was before: to before the first step, for all steps of one
    rollout. The status itself when the traffic is so."""
    if (traffic, mirror, sticky_header) == (status.traffic, status.mirror_traffic, status.sticky_header):
        return status
    before = TrafficBefore(
        traffic=status.traffic, mirror_traffic=status.mirror_traffic, sticky_header=status.sticky_header
    )
    goes_on = rollout and rollout == status.traffic_by
    return status.model_copy(
        update={
            "traffic": traffic,
            "mirror_traffic": mirror,
            "sticky_header": sticky_header,
            "traffic_before": status.traffic_before if goes_on else before if any(status.traffic.values()) else None,
            "traffic_by": rollout,
        }
    )


def effective(weights: Mapping[str, int], there: Collection[str]) -> dict[str, int]:
    """The percentages of the deployments that are there; the share of one that is not goes to the others in proportion
    (largest remainders), so that they sum up to 100. All 0 when none that is there has a share."""
    shares = {name: weights.get(name, 0) for name in sorted(there)}
    total = sum(shares.values())
    if total in (0, 100):
        return shares
    exact = {name: share * 100 / total for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    left = 100 - sum(whole.values())
    for name in sorted(exact, key=lambda one: (whole[one] - exact[one], one))[:left]:
        whole[name] += 1
    return whole


def mirrored(mirror: Mapping[str, int], weights: Mapping[str, int], there: Collection[str]) -> dict[str, int]:
    """The copies that can be made: to one deployment that is there and has no share itself, of requests that there
    are."""
    if not any(weights.values()):
        return {}
    return {name: share for name, share in mirror.items() if share and name in there and not weights.get(name)}
