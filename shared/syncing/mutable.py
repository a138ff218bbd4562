"""Declared jobs, endpoints, deployments, schedules and monitors: changed in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.commit import Current, Draft
from shared.events import types
from shared.resources.base import Cause, ResourceKey
from shared.syncing.plan import Asked, Create, Keep, Step, decide_mutable
from shared.syncing.world import World


async def write_mutable(
    key: ResourceKey, asked: Asked, world: World, cause: Cause, *, properties: Mapping[str, str], unfinished: bool
) -> Step:
    """Do what is to be done with the resource; comes out what that was, decided in the transaction. Its generation
    grows only when its spec changes."""
    step: Step | None = None

    async def change(current: Current) -> Sequence[Draft]:
        nonlocal step
        existing = current[key]
        step = decide_mutable(asked, existing)
        if isinstance(step, Keep):
            return ()
        is_new = isinstance(step, Create)
        spec_changed = existing is None or existing.spec != asked.spec
        generation = (existing.generation + spec_changed) if existing else 1
        type_ = types.RESOURCE_DECLARED if is_new else types.RESOURCE_UPDATED
        return (
            Draft(
                key,
                asked.spec,
                existing.status if existing else {},
                asked.description,
                dict(asked.tags),
                dict(properties),
                unfinished=unfinished and (spec_changed or bool(existing and existing.unfinished)),
                events=(types.declared_event(type_, key.kind, key.name, None, generation, properties),),
            ),
        )

    await world.committer.transact((key,), change, cause)
    assert step is not None
    return step


async def delete_mutable(key: ResourceKey, world: World, cause: Cause) -> None:
    """Delete the resource; nothing happens when it is gone."""

    async def change(current: Current) -> Sequence[Draft]:
        existing = current[key]
        if existing is None:
            return ()
        event = types.resource_event(types.RESOURCE_DELETED, key.kind, key.name, None)
        return (Draft.of(existing, events=(event,), delete=True, unfinished=False),)

    await world.committer.transact((key,), change, cause)
