"""Deployments that rest while nobody asks for them: when their processes end, and when they are started again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shared.adapters.local.endpoint_credentials import write_private
from shared.ports import DesiredDeployment
from shared.rollout.prometheus import read_samples


@dataclass(frozen=True, slots=True)
class Rest:
    """Whether a deployment rests. Times are seconds of Unix time."""

    digest: str = ""  # of what it runs; another one is started, to see whether it can
    rests: bool = False  # nothing is sent to its processes any more
    may_end: bool = False  # the router knows, and its processes answer nobody: they end
    since_s: float = 0.0  # when it was ready for the first time, or began to rest; 0 for not yet


AWAKE = Rest()


@dataclass(frozen=True, slots=True)
class Activity:
    """What the router has seen of a deployment."""

    last_request_s: float  # Unix time, rounded to a second; 0 for never since the router began
    waiting: int  # requests that it holds or that are under way
    is_routed: bool  # whether its processes are in the file that is in force, or answer somebody


def activity_of(metrics: str, deployment: str) -> Activity | None:
    """The deployment's, from the router's figures; None when it gave none."""
    mine = [one for one in read_samples(metrics) if one.has({"deployment": deployment})]
    values = {one.name: one.value for one in mine}
    if not metrics:
        return None
    return Activity(
        values.get("slipway_router_last_request_timestamp_seconds", 0.0),
        round(values.get("slipway_router_held", 0.0) + values.get("slipway_router_in_flight", 0.0)),
        "slipway_router_process_in_flight" in values,
    )


def decided(
    before: Rest, one: DesiredDeployment, digest: str, seen: Activity | None, *, is_mirrored: bool, now_s: float
) -> Rest:
    """Whether the deployment rests now. One that copies are sent to does not, nor one that runs something new."""
    if one.idle_timeout_s is None or is_mirrored or before.digest != digest:
        return Rest(digest, since_s=0.0 if before.digest != digest or before.rests else before.since_s)
    if seen is None:
        return before  # nobody knows what the router holds
    if before.rests:
        if seen.waiting or seen.last_request_s > before.since_s + 1:  # the router rounds
            return Rest(digest)
        return replace(before, may_end=before.may_end or not seen.is_routed)
    quiet_since_s = max(seen.last_request_s, before.since_s)
    if not before.since_s or seen.waiting or now_s - quiet_since_s < one.idle_timeout_s:
        return before
    return Rest(digest, rests=True, since_s=now_s)


def with_ready(rest: Rest, ready: int, one: DesiredDeployment, now_s: float) -> Rest:
    """The same, noting when all its instances were ready first: from then on its idle time counts."""
    is_first = not rest.rests and not rest.since_s and ready >= one.instances
    return replace(rest, since_s=now_s) if is_first else rest


def read_rest(path: Path) -> Rest:
    """What was decided last; a deployment is awake when that is not known."""
    try:
        return Rest(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return AWAKE


def write_rest(path: Path, rest: Rest | None) -> None:
    """Keep it, when it is not what is kept; None forgets it."""
    if rest is None:
        path.unlink(missing_ok=True)
    elif read_rest(path) != rest:
        path.parent.mkdir(exist_ok=True)
        write_private(path, json.dumps(asdict(rest)))
