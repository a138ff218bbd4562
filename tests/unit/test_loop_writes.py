"""A resource that does not change is looked at by one chain of messages, which writes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.adapters.local.clock import ManualClock
from shared.bootstrap import ControlPlane
from shared.controllers.loop import RENEW_S, Loop
from shared.controllers.overdue import enqueue_overdue
from shared.ports import RecordQuery
from shared.resources.base import ResourceKey
from tests.doubles.kept_queue import KeptQueue
from tests.plane import plane
from tests.scenarios.test_endpoints import ENDPOINT, declare

__all__ = ["plane"]
KEY = ResourceKey("online-endpoint", "live")
WAKE = json.dumps({"kind": KEY.kind, "name": KEY.name, "attempt": 1})


@pytest.fixture
async def world(plane: ControlPlane) -> tuple[ControlPlane, Loop, KeptQueue]:
    """An endpoint without deployments: it is settled at once, and looked at for ever."""
    await declare(plane, {"endpoint.yml": ENDPOINT})
    queue: Any = KeptQueue()
    loop = Loop(replace(plane.deps, queue=queue))
    await loop.work(WAKE, "first")
    return plane, loop, queue


async def writes(plane: ControlPlane) -> int:
    return len((await plane.deps.store.list_history(RecordQuery(key=str(KEY), limit=1000))).items)


async def test_looks_follow_each_other_without_a_write(world: tuple[ControlPlane, Loop, KeptQueue]) -> None:
    plane, loop, queue = world
    before = await writes(plane)
    for _ in range(20):
        (body,) = queue.taken()
        await loop.work(body, "m")
    assert await writes(plane) == before
    assert len(queue.bodies) == 1


async def test_wakes_write_nothing_and_begin_no_second_chain(world: tuple[ControlPlane, Loop, KeptQueue]) -> None:
    plane, loop, queue = world
    before = await writes(plane)
    for _ in range(5):
        await loop.work(WAKE, "wake")
    (body,) = queue.taken()
    await loop.work(body, "m")
    assert len(queue.bodies) == 1
    assert await writes(plane) == before


async def test_a_change_by_others_leaves_the_chain_alone(world: tuple[ControlPlane, Loop, KeptQueue]) -> None:
    plane, loop, queue = world
    await declare(plane, {"endpoint.yml": ENDPOINT + "tags: {a: b}\n"})
    before = await writes(plane)
    (body,) = queue.taken()
    await loop.work(body, "m")
    assert len(queue.bodies) == 1
    assert await writes(plane) == before


async def test_a_message_that_came_twice_does_not_double_the_chain_for_long(
    world: tuple[ControlPlane, Loop, KeptQueue],
) -> None:
    plane, loop, queue = world
    (body,) = queue.taken()
    await loop.work(body, "m")
    await loop.work(body, "m")  # its worker was killed before it could delete it
    assert len(queue.taken()) == 2
    found = await plane.deps.store.read(KEY)
    assert found is not None
    assert found.look_again_at is not None
    assert (found.look_again_at - found.modified_at).total_seconds() == pytest.approx(RENEW_S, abs=5)
    renewed = json.dumps({**json.loads(body), "until": "2026-01-01T00:00:00+00:00"})  # its time is over
    for _ in range(2):
        await loop.work(renewed, "m")
    assert queue.taken() == []


async def test_a_chain_that_was_lost_is_begun_anew_by_the_timer(world: tuple[ControlPlane, Loop, KeptQueue]) -> None:
    plane, loop, queue = world
    queue.taken()
    assert await enqueue_overdue(loop, plane.deps, [KEY.kind]) == 0  # its time has not come
    clock: Any = ManualClock(plane.deps.clock.now())
    clock.advance(RENEW_S + 1)
    deps = replace(plane.deps, queue=queue, clock=clock)
    late = Loop(deps)
    assert await enqueue_overdue(late, deps, [KEY.kind]) == 1
    before = await writes(plane)
    for body in queue.taken():
        await late.work(body, "m")
    assert len(queue.bodies) == 1
    assert await writes(plane) == before + 1
