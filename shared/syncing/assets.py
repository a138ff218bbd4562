"""Declared environments, data and components: versions that never change, counted by a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.commit import Current, Draft
from shared.events import types
from shared.ports import ResourceQuery, ResourceStore
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.declared import AssetHeadStatus, AssetVersionStatus
from shared.resources.search import ACTIVE
from shared.syncing.plan import Asked, Create, Step, Update, decide_asset
from shared.syncing.world import World


async def plan_asset(key: ResourceKey, asked: Asked, store: ResourceStore) -> Step:
    """What would be done with the asset `key` (a head)."""
    current = {key: await store.read(key)}
    for other in _others(key, asked, current):
        current[other] = await store.read(other)
    return _decided(key, asked, current)


async def write_asset(
    key: ResourceKey, asked: Asked, world: World, cause: Cause, *, properties: Mapping[str, str], unfinished: bool
) -> Step:
    """Do what is to be done with the asset `key` (a head); comes out what that was, decided in the transaction."""
    step: Step | None = None

    async def change(current: Current) -> Sequence[Draft]:
        nonlocal step
        step = _decided(key, asked, current)
        if isinstance(step, Create):
            return _created(key, asked, step, current, properties, unfinished)
        return _updated(key, asked, step, current, properties) if isinstance(step, Update) else ()

    await world.committer.transact((key,), change, cause, also=lambda current: _others(key, asked, current))
    assert step is not None
    return step


async def archive_version(key: ResourceKey, world: World, cause: Cause) -> None:
    """Hide a version from lists and from `latest`."""
    head = ResourceKey(key.kind, key.name)
    latest = await newest_active(world.store, key, without=key)

    async def change(current: Current) -> Sequence[Draft]:
        version = current[key]
        if version is None or version.status.get("archived"):
            return ()
        event = types.resource_event(types.RESOURCE_ARCHIVED, key.kind, key.name, key.version)
        status = {**version.status, "archived": True}
        return (Draft.of(version, status=status, events=(event,)), *_with_latest(current[head], key, latest))

    await world.committer.transact((key, head), change, cause)


async def delete_version(key: ResourceKey, world: World, cause: Cause) -> None:
    """Delete a version; its number stays taken."""
    head = ResourceKey(key.kind, key.name)
    latest = await newest_active(world.store, key, without=key)

    async def change(current: Current) -> Sequence[Draft]:
        version = current[key]
        if version is None:
            return ()
        event = types.resource_event(types.RESOURCE_DELETED, key.kind, key.name, key.version)
        drafts = [Draft.of(version, events=(event,), delete=True, unfinished=False)]
        for draft in _with_latest(current[head], key, latest):
            status = AssetHeadStatus.model_validate(draft.status)
            status.deleted_versions = [*status.deleted_versions, str(key.version)]
            drafts.append(replace(draft, status=status.model_dump(mode="json")))
        return drafts

    await world.committer.transact((key, head), change, cause)


async def newest_active(store: ResourceStore, key: ResourceKey, *, without: ResourceKey) -> str:
    """The version created last that is not archived; "" when there is none."""
    query = ResourceQuery(key.kind, key.name, "versions", terms=(ACTIVE,), sort="created", descending=True, limit=2)
    found = [one for one in (await store.list_resources(query)).items if one.key != without]
    return str(found[0].version) if found else ""


def _with_latest(head: Resource | None, gone: ResourceKey, latest: str) -> Sequence[Draft]:
    if head is None:
        return ()
    status = AssetHeadStatus.model_validate(head.status)
    if status.latest_version == gone.version:
        status.latest_version = latest
        status.archived = not latest
    return (Draft.of(head, status=status.model_dump(mode="json")),)


def _status(head: Resource | None) -> AssetHeadStatus:
    return AssetHeadStatus.model_validate(head.status) if head else AssetHeadStatus()


def _others(key: ResourceKey, asked: Asked, current: Current) -> list[ResourceKey]:
    """The versions that the decision is about: the newest, the one asked for, and the one that is next."""
    status = _status(current[key])
    names = (status.latest_version, asked.version or str(status.next_version))
    return [ResourceKey(key.kind, key.name, name) for name in dict.fromkeys(names) if name]


def _decided(key: ResourceKey, asked: Asked, current: Current) -> Step:
    status = _status(current[key])
    latest = current.get(ResourceKey(key.kind, key.name, status.latest_version)) if status.latest_version else None
    same = current.get(ResourceKey(key.kind, key.name, asked.version)) if asked.version else None
    return decide_asset(asked, status, latest, same)


def _created(
    key: ResourceKey,
    asked: Asked,
    step: Create,
    current: Current,
    properties: Mapping[str, str],
    unfinished: bool,
) -> Sequence[Draft]:
    head, version = current[key], str(step.version)
    status = _status(head)
    if version.isdecimal():
        status.next_version = max(status.next_version, int(version) + 1)
    status.latest_version, status.archived, status.observed_generation = version, False, 1
    event = _event(types.RESOURCE_DECLARED, key, version, 1, properties)
    shown: dict[str, Any] = {"description": asked.description, "tags": dict(asked.tags)}
    return (
        Draft(key, head.spec if head else {}, status.model_dump(mode="json"), **shown),
        Draft(
            ResourceKey(key.kind, key.name, version),
            asked.spec,
            AssetVersionStatus().model_dump(mode="json"),
            properties=dict(properties),
            unfinished=unfinished,
            events=(event,),
            **shown,
        ),
    )


def _updated(
    key: ResourceKey, asked: Asked, step: Update, current: Current, properties: Mapping[str, str]
) -> Sequence[Draft]:
    head, version = current[key], current[ResourceKey(key.kind, key.name, step.version)]
    assert head is not None
    assert version is not None
    status = _status(head)
    if version.status.get("archived"):
        status.latest_version, status.archived = status.latest_version or str(version.version), False
    shown: dict[str, Any] = {"description": asked.description, "tags": dict(asked.tags)}
    event = _event(types.RESOURCE_UPDATED, key, version.version, version.generation, properties)
    changed = Draft.of(
        version,
        status={**version.status, "archived": False},
        properties={**properties, **version.properties},  # facts stay as they are
        events=(event,),
        **shown,
    )
    is_newest = status.latest_version == version.version
    return (changed, Draft.of(head, status=status.model_dump(mode="json"), **(shown if is_newest else {})))


def _event(
    type_: str, key: ResourceKey, version: str | None, generation: int, properties: Mapping[str, str]
) -> types.EventDraft:
    return types.declared_event(type_, key.kind, key.name, version, generation, properties)
