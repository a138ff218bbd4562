"""Small resources, history records and events for the store's tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ports import Commit, Page, RecordQuery, ResourceQuery, Write
from shared.resources.base import Cause, HistoryRecord, Resource, ResourceKey
from shared.resources.events import Event, RecordedEvent

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A time, in seconds after START."""
    return START + timedelta(seconds=seconds)


def resource(
    name: str, version: str | None = None, *, kind: str = "model", etag: str | None = None, **fields: Any
) -> Resource:
    """A resource that no controller has to look at, unless `fields` say otherwise."""
    fixed = {"created_at": START, "created_by": "ada", "modified_at": START, "modified_by": "ada"}
    return Resource.model_validate(
        {"kind": kind, "name": name, "version": version, "spec": {}, "revision": 1, **fixed, **fields}
    ).model_copy(update={"etag": etag})


def history(of: Resource, revision: int = 1, *, seconds: float = 0) -> HistoryRecord:
    """The history record of a revision."""
    cause = Cause(actor="ada", type="request", id="r-1")
    return HistoryRecord(
        key=str(of.key), revision=revision, generation=1, time=at(seconds), action="updated", cause=cause, changes={}
    )


def event(of: Resource, event_id: str, *, seconds: float = 0, type_: str = "T", subject: str = "s") -> RecordedEvent:
    """An event in the outbox."""
    inner = Event(id=event_id, type=type_, subject=subject, time=at(seconds), data={"n": 1})
    return RecordedEvent(event=inner, resource=str(of.key))


def commit(*resources: Resource, events: tuple[RecordedEvent, ...] = (), history_of: bool = False) -> Commit:
    """A commit of the resources, with their first history records if asked for."""
    writes = tuple(Write(one, history(one, one.revision) if history_of else None) for one in resources)
    return Commit(writes, events)


async def every(listing: Any, query: ResourceQuery | RecordQuery) -> list[Any]:
    """All items of a listing, page after page."""
    items: list[Any] = []
    while True:
        page: Page[Any] = await listing(query)
        assert len(page.items) <= query.limit
        items += page.items
        if page.continuation is None:
            return items
        query = replace(query, after=page.continuation)


def model(name: str, version: str | None = None) -> ResourceKey:
    """The key of a model."""
    return ResourceKey("model", name, version)
