"""Where resources, their history and their outgoing events are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from shared.resources.base import HistoryRecord, Resource, ResourceKey
from shared.resources.events import RecordedEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Write:
    """One resource in a commit. `resource.etag` None: it must not exist yet; else: it must still have that ETag."""

    resource: Resource  # the state after the commit; the store only sets its etag
    history: HistoryRecord | None = None  # appended in the same transaction; None only for leases, which no one audits
    delete: bool = False  # the document goes; the history record and the events stay


@dataclass(frozen=True, slots=True)
class Commit:
    """Resources of one partition, their history and their events: all of it or nothing. 1 to 30 writes."""

    writes: tuple[Write, ...]
    events: tuple[RecordedEvent, ...] = ()

    @property
    def partition(self) -> str:
        """The one partition; ValueError when the writes are of several, or there is none."""
        partitions = {write.resource.key.partition for write in self.writes}
        if len(partitions) != 1:
            raise ValueError(f"a commit holds one partition, this one holds {sorted(partitions)}")
        return partitions.pop()


@dataclass(frozen=True, slots=True)
class ResourceQuery:
    """Which resources to list. All given conditions must hold."""

    kind: str  # ANY_KIND: of all kinds, heads and versions; then neither name nor times may be given
    name: str | None = None  # only this name: one partition
    versions: Literal["heads", "versions"] = "heads"  # documents without a version, or the versions
    terms: tuple[str, ...] = ()  # only those with all of these (shared.resources.search); at most 10
    created_from: datetime | None = None  # not created before this
    created_before: datetime | None = None  # created before this
    sort: Literal["name", "created"] = "name"  # by name and version, or by time of creation
    unfinished_before: datetime | None = None  # only unfinished ones whose look_again_at is not after this
    after: str | None = None  # continue after the page that gave this continuation
    limit: int = 100  # 1..1000
    descending: bool = False  # newest version or time first (versions order as numbers), or names from z to a


ANY_KIND = "*"


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Which events or history records to list, in the order of (time, id)."""

    partition: str | None = None  # only of this partition; None: of all
    key: str | None = None  # only of this resource (str(ResourceKey))
    types: tuple[str, ...] = ()  # events only: these types; () is all
    subject_prefix: str = ""  # events only
    since: datetime | None = None  # not before this time
    after: str | None = None
    limit: int = 100  # 1..1000


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a listing. `continuation` is None on the last page."""

    items: tuple[T, ...]
    continuation: str | None = None


class ResourceStore(Protocol):
    """Resources, their history and their outbox. SQLite, Cosmos DB."""

    async def read(self, key: ResourceKey) -> Resource | None:
        """The resource with its etag, or None."""
        ...

    async def commit(self, commit: Commit) -> tuple[str, ...]:
        """Write all of it in one transaction; the new ETags, one a write. Raises Conflict and leaves nothing behind
        when a condition failed (also when an event id or a history record exists already)."""
        ...

    async def list_resources(self, query: ResourceQuery) -> Page[Resource]:
        """A page of resources; empty when none match. Raises Invalid for a continuation it did not make."""
        ...

    async def list_events(self, query: RecordQuery) -> Page[RecordedEvent]:
        """A page of the event log, oldest first; acknowledged or not."""
        ...

    async def list_history(self, query: RecordQuery) -> Page[HistoryRecord]:
        """A page of the history, oldest first. `types` and `subject_prefix` must be empty (Invalid)."""
        ...


async def every(store: ResourceStore, query: ResourceQuery) -> AsyncIterator[Resource]:
    """All that the query finds, page after page. Raises as list_resources."""
    while True:
        page = await store.list_resources(query)
        for resource in page.items:
            yield resource
        if page.continuation is None:
            return
        query = replace(query, after=page.continuation)


class Outbox(Protocol):
    """Which events are still owed. The adapters of ResourceStore implement it too."""

    async def unacknowledged(self, *, before: datetime, limit: int) -> tuple[RecordedEvent, ...]:
        """Events whose time is before `before` and that were never acknowledged, oldest first; at most `limit`."""
        ...

    async def acknowledge(self, events: Sequence[RecordedEvent], at: datetime) -> None:
        """Note that these were published. Doing it again does nothing."""
        ...
