"""The way back: what had the traffic before gets it again, whoever changed it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.commit import Current, Draft
from shared.deployments.live_traffic import patch_traffic
from shared.ports import RecordQuery
from shared.resources.base import Cause, ResourceKey
from shared.rollout.traffic import Traffic
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, events_of, plane
from tests.scenarios.test_endpoints import base, declare, deployment
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call

__all__ = ["plane"]
SPEC = {
    "endpoint_name": "live",
    "stable": "blue",
    "candidate": "green",
    "strategy": {"type": "canary", "steps": [{"weight_percent": 10, "duration_s": 1}]},
}


@pytest.fixture
async def world(plane: ControlPlane) -> ControlPlane:
    """An endpoint with two deployments that nobody runs, and all traffic on blue."""
    await declare(plane, {**base(), **{f"{name}.yml": deployment(name) for name in ("blue", "green")}})
    await patch(plane, blue=100)
    return plane


async def patch(plane: ControlPlane, **shares: int) -> None:
    await call(plane, "patch_endpoint_traffic", 200, {"traffic": shares}, name="live")


async def traffic(plane: ControlPlane) -> dict[str, int]:
    found: Any = await call(plane, "get_endpoint", 200, name="live")
    return {name: share for name, share in found["traffic"].items() if share}


async def step(plane: ControlPlane, blue: int, green: int, rollout: str = "first") -> None:
    deps, shares = plane.deps, Traffic({"blue": blue, "green": green}, {})
    await patch_traffic("live", shares, deps.store, deps.committer, deps.queue, CAUSE, rollout=rollout)


async def ended(plane: ControlPlane, phase: str) -> None:
    key = ResourceKey("rollout", "first")

    async def change(current: Current) -> Sequence[Draft]:
        found = current[key]
        assert found is not None
        return (Draft.of(found, status={**found.status, "phase": phase}, unfinished=False),)

    await plane.deps.committer.transact((key,), change, CAUSE)


async def test_what_people_changed_goes_back_and_forth_and_is_told(world: ControlPlane) -> None:
    refused = await call(world, "rollback_endpoint", 422, name="live")
    assert "it had no other traffic before" in json.dumps(refused)
    await patch(world, blue=50, green=50)
    await patch(world, blue=0, green=100)
    await call(world, "rollback_endpoint", 202, name="live")
    assert await traffic(world) == {"blue": 50, "green": 50}
    await call(world, "rollback_endpoint", 202, name="live")
    assert await traffic(world) == {"green": 100}
    assert (await events_of(world)).count("Slipway.TrafficShifted") == 5
    history = await world.deps.store.list_history(RecordQuery(key="online-endpoint/live"))
    assert "traffic_before" in history.items[-1].changes["status"]
    assert history.items[-1].cause.type == "request"


async def test_all_steps_of_a_rollout_are_one_change(world: ControlPlane) -> None:
    await call(world, "start_rollout", 202, {"name": "first", "spec": SPEC})
    for green in (10, 50, 100):
        await step(world, 100 - green, green)
    await ended(world, "Succeeded")
    await call(world, "undo_rollout", 202, name="first")
    assert await traffic(world) == {"blue": 100}
    again = await call(world, "undo_rollout", 422, name="first")
    assert "others changed its traffic" in json.dumps(again)
    await call(world, "rollback_endpoint", 202, name="live")
    assert await traffic(world) == {"green": 100}


@pytest.mark.parametrize("asked", ["rollback_endpoint", "undo_rollout"])
async def test_a_rollout_under_way_is_aborted(world: ControlPlane, asked: str) -> None:
    await call(world, "start_rollout", 202, {"name": "first", "spec": SPEC})
    await call(world, asked, 202, name="live" if asked == "rollback_endpoint" else "first")
    for _ in range(3):
        await world.loop.look_at(ResourceKey("rollout", "first"), Cause(actor="a", type="message", id="1"))
    found: Any = await call(world, "get_rollout", 200, name="first")
    assert found["status"]["phase"] == "Aborted"
    assert await traffic(world) == {"blue": 100}
    refused = await call(world, "undo_rollout", 422, name="first")
    assert "has its traffic already" in json.dumps(refused)


async def test_there_is_no_way_back_to_what_was_deleted(world: ControlPlane) -> None:
    await patch(world, blue=0, green=100)
    tree = SourceTree(
        {"e.yml": base()["endpoint.yml"].encode(), "green.yml": deployment("green").encode()}  # type: ignore[union-attr]
    )
    await apply_tree(tree, None, SOURCE, world.deps, CAUSE, prune=True)
    refused = await call(world, "rollback_endpoint", 422, name="live")
    assert "blue was deleted" in json.dumps(refused)
    assert await traffic(world) == {"green": 100}


async def test_what_is_not_there_is_not_found(world: ControlPlane) -> None:
    await call(world, "rollback_endpoint", 404, name="dead")
    await call(world, "undo_rollout", 404, name="dead")
