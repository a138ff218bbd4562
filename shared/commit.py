"""The only way to write. Reads, lets a pure change decide, commits under ETags with history and events, publishes.

`Conflict` is answered by reading afresh and deciding again; it never leaves this module.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from shared import telemetry
from shared.errors import Conflict, Permanent, Retryable, SlipwayError
from shared.events.limits import event_size_bytes
from shared.events.types import EventDraft, with_pascal_case
from shared.events.wire import to_event_grid
from shared.ports import Clock, Commit, EventPublisher, Outbox, RecordQuery, ResourceStore, Write
from shared.resources.base import Cause, HistoryRecord, Resource, ResourceKey
from shared.resources.chain import chained
from shared.resources.events import Event, RecordedEvent
from shared.telemetry import TRACEPARENT

log = logging.getLogger(__name__)

EVENT_NAMESPACE = uuid.UUID("6f1d3c5e-0d9c-4a57-9d3a-2f6f0c6f7a11")
MAX_TRIES = 40
FIRST_BACKOFF_S = 0.005
LAST_BACKOFF_S = 1.0
FIRST_LOOK = timedelta(seconds=60)  # when the timer looks at an unfinished resource that no message was heard of

Current = Mapping[ResourceKey, Resource | None]
Former = dict[ResourceKey, HistoryRecord]  # the end of the history of what was deleted


class TransactionalStore(ResourceStore, Outbox, Protocol):
    """What a commit needs: the resources and their outbox, in one adapter."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a resource shall become. The commit adds generation, revision, times, ids and history."""

    key: ResourceKey
    spec: dict[str, Any]
    status: dict[str, Any] = field(default_factory=dict)
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    unfinished: bool = False
    look_again_at: datetime | None = None
    events: tuple[EventDraft, ...] = ()
    delete: bool = False  # the resource goes; its history and the events stay

    @classmethod
    def of(cls, resource: Resource, **changes: Any) -> Draft:
        """A draft that leaves `resource` as it is, but for `changes`."""
        same = cls(
            resource.key,
            resource.spec,
            resource.status,
            resource.description,
            resource.tags,
            resource.properties,
            resource.unfinished,
            resource.look_again_at,
        )
        return replace(same, **changes)


Change = Callable[[Current], Awaitable[Sequence[Draft]]]
Also = Callable[[Current], Sequence[ResourceKey]]


class Committer:
    """Commits changes and publishes their events."""

    def __init__(
        self, store: TransactionalStore, publisher: EventPublisher, clock: Clock, topic: str, pascal_case: bool = False
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._topic = topic
        self._pascal_case = pascal_case
        self._locks = KeyedLocks()

    async def transact(
        self, keys: Sequence[ResourceKey], change: Change, cause: Cause, *, also: Also | None = None
    ) -> tuple[Resource, ...]:
        """Read `keys` (of one partition), commit the drafts that `change` makes of them, publish their events.

        `also` names further keys, by what was read. Comes out: the resources as committed, in the order of the drafts;
        () when there were no drafts. `change` may run several times: it must have no effect that cannot be repeated.
        Raises what `change` raises, and Retryable when others kept winning."""
        async with self._locks.hold(keys[0].partition):
            former: Former = {}
            for attempt in range(MAX_TRIES):
                current = {key: await self._store.read(key) for key in keys}
                for key in also(current) if also else ():
                    current[key] = await self._store.read(key)
                drafts = await change(current)
                if not drafts:
                    return ()
                try:
                    return await self._commit(current, drafts, cause, former)
                except Conflict:
                    former = await self._former(current, drafts)
                    await self._clock.sleep(_backoff_s(attempt))
        raise Retryable(f"{keys[0]} is being changed by others all the time", remedy="try again")

    async def _former(self, current: Current, drafts: Sequence[Draft]) -> Former:
        """The end of the history of each draft's resource that is not there: one that was deleted goes on with it."""
        former: Former = {}
        for key in (draft.key for draft in drafts if current.get(draft.key) is None):
            after: str | None = None
            while True:
                query = RecordQuery(partition=key.partition, key=str(key), after=after, limit=1000)
                page = await self._store.list_history(query)
                if page.items:
                    former[key] = page.items[-1]
                after = page.continuation
                if after is None:
                    break
        return former

    async def _commit(
        self, current: Current, drafts: Sequence[Draft], cause: Cause, former: Former
    ) -> tuple[Resource, ...]:
        now = self._clock.now()
        writes = [self._write(current.get(d.key), d, cause, now, former.get(d.key)) for d in drafts]
        events = tuple(
            event
            for draft, write in zip(drafts, writes, strict=True)
            for event in self._events(draft, write.resource, now)
        )
        for record in events:
            event_size_bytes(to_event_grid(record.event))  # TooLarge now, not when it is committed and can't be sent
        etags = await self._store.commit(Commit(tuple(writes), events))
        await self.publish(events)
        pairs = zip(writes, etags, strict=True)
        return tuple(write.resource.model_copy(update={"etag": etag}) for write, etag in pairs)

    def _write(
        self, before: Resource | None, draft: Draft, cause: Cause, now: datetime, former: HistoryRecord | None
    ) -> Write:
        after = _stamped(before, draft, cause, now, former.revision if former else 0)
        old = before.model_dump(mode="json", exclude={"history_hash"}) if before else {}
        record = HistoryRecord(
            key=str(draft.key),
            revision=after.revision,
            generation=after.generation,
            time=now,
            action="updated" if before else "created",
            cause=cause,
            changes=merge_patch(old, after.model_dump(mode="json", exclude={"history_hash"})),
        )
        if draft.delete:
            record = record.model_copy(update={"action": "deleted", "changes": {}})
        history = chained(record, before.history_hash if before else former.hash if former else "")
        return Write(after.model_copy(update={"history_hash": history.hash}), history, draft.delete)

    def _events(self, draft: Draft, resource: Resource, now: datetime) -> list[RecordedEvent]:
        records, traceparent = [], telemetry.traceparent()
        for index, plain in enumerate(draft.events):
            made = with_pascal_case(plain) if self._pascal_case else plain
            event = Event(
                id=event_id(resource.key, resource.revision, index),
                type=made.type,
                subject=made.subject,
                time=now,
                data={**made.data, TRACEPARENT: traceparent} if traceparent else dict(made.data),
                topic=self._topic,
            )
            records.append(RecordedEvent(event=event, resource=str(resource.key)))
        return records

    async def publish(self, events: Sequence[RecordedEvent]) -> bool:
        """Publish and acknowledge; False when the publisher is down now (the sweep will send them again)."""
        if not events:
            return True
        try:
            await self._publisher.publish([record.event for record in events])
            await self._store.acknowledge(events, self._clock.now())
        except Permanent as error:  # one that can never be sent must not keep the others back
            if len(events) > 1:
                return all([await self.publish([record]) for record in events])
            log.error("an event stays in the outbox for good: %s", error.message)
            return False
        except SlipwayError as error:
            log.warning("%d events stay in the outbox: %s", len(events), error.message)
            return False
        return True


def event_id(key: ResourceKey, revision: int, index: int) -> str:
    """The id of the index-th event of that revision of that resource, the same whenever derived (UUID version 5)."""
    return str(uuid.uuid5(EVENT_NAMESPACE, f"{key}#{revision}#{index}"))


def _stamped(before: Resource | None, draft: Draft, cause: Cause, now: datetime, former_revision: int) -> Resource:
    changed = before is not None and before.spec != draft.spec
    return Resource(
        kind=draft.key.kind,
        name=draft.key.name,
        version=draft.key.version,
        spec=draft.spec,
        status=draft.status,
        description=draft.description,
        tags=draft.tags,
        properties=draft.properties,
        generation=(before.generation + changed) if before else 1,
        revision=(before.revision if before else former_revision) + 1,
        unfinished=draft.unfinished,
        look_again_at=(draft.look_again_at or _first_look(before, now)) if draft.unfinished else None,
        created_at=before.created_at if before else now,
        created_by=before.created_by if before else cause.actor,
        modified_at=now,
        modified_by=cause.actor,
        etag=before.etag if before else None,
    )


def _first_look(before: Resource | None, now: datetime) -> datetime:
    """As it was, where messages look at it already."""
    return (before.look_again_at if before is not None and before.unfinished else None) or now + FIRST_LOOK


def merge_patch(old: Any, new: Any) -> Any:
    """The JSON merge patch that turns `old` into `new` (RFC 7396). {} when they are equal objects."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old:
            patch[key] = value
        elif old[key] != value:
            patch[key] = merge_patch(old[key], value)
    return patch


def _backoff_s(attempt: int) -> float:
    """Full jitter: any time up to a bound that doubles."""
    return random.uniform(0, min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt))  # noqa: S311 - not a secret


class KeyedLocks:
    """A lock for each name, kept only while somebody holds or awaits it: saves this process conflicts with itself."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._holders: dict[str, asyncio.Task[Any] | None] = {}

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[None]:
        """Alone with `name`. Raises RuntimeError for a task that holds it already: it would wait for itself."""
        if name in self._holders and self._holders[name] is asyncio.current_task():
            raise RuntimeError(f"{name} is held by the task that asks for it: commit before or after, not inside")
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                self._holders[name] = asyncio.current_task()
                try:
                    yield
                finally:
                    del self._holders[name]
        finally:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)
