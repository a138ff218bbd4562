"""A resource that others change while a slow controller works on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.commit import Current, Draft, KeyedLocks
from shared.controllers.loop import Loop
from shared.errors import Retryable
from shared.ports import ArtifactStore
from shared.resources.base import ResourceKey
from shared.resources.model import ModelPhase
from tests.plane import CAUSE, MANIFEST, blob_created, drop, plane

__all__ = ["plane"]
KEY = ResourceKey("model", "diabetes", "1")


class Interrupted:
    """The artifact store, where something else happens at each read."""

    def __init__(self, artifacts: ArtifactStore, happen: Callable[[], Awaitable[Any]]) -> None:
        self._artifacts = artifacts
        self._happen = happen

    async def read(self, *arguments: Any, **options: Any) -> AsyncIterator[bytes]:
        await self._happen()
        async for chunk in self._artifacts.read(*arguments, **options):
            yield chunk


async def registered(plane: ControlPlane) -> None:
    for name, content in {"model.yml": MANIFEST, "model.onnx": "onnx"}.items():
        drop(plane, f"d/{name}", content)
        await plane.storage_event(blob_created(f"d/{name}", f"e-{name}"))
    assert (await plane.deps.registry.get("diabetes", "1")).unfinished


def loop_with(plane: ControlPlane, happen: Callable[[], Awaitable[Any]]) -> Loop:
    interrupted: Any = Interrupted(plane.deps.artifacts, happen)
    return Loop(replace(plane.deps, artifacts=interrupted))


async def test_a_version_whose_deletion_begins_while_it_is_looked_into_is_deleted(plane: ControlPlane) -> None:
    async def mark(current: Current) -> Sequence[Draft]:
        now = current[KEY]
        assert now is not None
        return (Draft.of(now, status={**now.status, "phase": ModelPhase.DELETING}, unfinished=True),)

    await registered(plane)
    loop = loop_with(plane, lambda: plane.deps.committer.transact((KEY,), mark, CAUSE))
    async with asyncio.timeout(10):
        assert await loop.look_at(KEY, CAUSE) is None
    assert await plane.deps.store.read(KEY) is None


async def test_one_that_is_changed_all_the_time_comes_back_later(plane: ControlPlane) -> None:
    async def touch(current: Current) -> Sequence[Draft]:
        now = current[KEY]
        assert now is not None
        return (Draft.of(now, tags={**now.tags, "touched": str(now.revision)}),)

    await registered(plane)
    loop = loop_with(plane, lambda: plane.deps.committer.transact((KEY,), touch, CAUSE))
    with pytest.raises(Retryable, match="changed by others all the time"):
        await loop.look_at(KEY, CAUSE)
    found = await plane.deps.store.read(KEY)
    assert found is not None
    assert found.unfinished


async def test_another_look_that_only_waits_has_nothing_done_again(plane: ControlPlane) -> None:
    looked = 0

    async def wait(current: Current) -> Sequence[Draft]:
        nonlocal looked
        looked += 1
        now = current[KEY]
        assert now is not None
        later = plane.deps.clock.now() + timedelta(seconds=60 + looked)
        return (Draft.of(now, look_again_at=later, unfinished=True),)

    await registered(plane)
    loop = loop_with(plane, lambda: plane.deps.committer.transact((KEY,), wait, CAUSE))
    done = await loop.look_at(KEY, CAUSE)
    assert done is not None
    assert not done.unfinished
    assert looked == 2  # as often as its file is read when nobody else looks


async def test_a_lock_is_not_awaited_by_the_task_that_holds_it() -> None:
    locks = KeyedLocks()
    async with asyncio.timeout(5), locks.hold("a"), locks.hold("b"):
        with pytest.raises(RuntimeError, match="is held by the task that asks for it"):
            async with locks.hold("a"):
                raise AssertionError("held twice")
    async with locks.hold("a"):
        pass
