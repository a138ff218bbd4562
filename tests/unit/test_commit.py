"""The one way to write: conflicts are decided anew, history and events go with the change, ids are derived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.local.resource_store import SqliteResourceStore, open_resource_store
from shared.commit import Committer, Current, Draft, event_id, merge_patch
from shared.errors import Invalid, Retryable, TooLarge
from shared.events.types import EventDraft
from shared.leases import Leases
from shared.ports import RecordQuery
from shared.resources.base import Cause, ResourceKey
from shared.resources.events import Event

KEY = ResourceKey("model", "m")
CAUSE = Cause(actor="alice", type="request", id="r-1")


class Receiver:
    """An Event Grid that can be down."""

    def __init__(self) -> None:
        self.down = False
        self.events: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        if self.down:
            raise Retryable("down")
        self.events += events


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteResourceStore]:
    opened = open_resource_store(tmp_path / "store.db")
    yield opened
    await opened.close()


def count_up(key: ResourceKey = KEY) -> Any:
    async def change(current: Current) -> Sequence[Draft]:
        before = current[key]
        count = (before.status["count"] if before else 0) + 1
        events = (EventDraft("Slipway.Counted", "m", {"count": count}),)
        return (Draft(key, spec={}, status={"count": count}, events=events),)

    return change


async def test_changes_at_once_are_all_made_one_after_the_other(store: SqliteResourceStore, tmp_path: Path) -> None:
    """Also by two hosts that share a store but no lock."""
    other_store, receiver = open_resource_store(tmp_path / "store.db"), Receiver()
    committers = [Committer(s, receiver, SystemClock(), "topic") for s in (store, other_store)]
    await asyncio.gather(*[committers[i % 2].transact((KEY,), count_up(), CAUSE) for i in range(32)])
    found = await store.read(KEY)
    assert found is not None
    assert (found.status["count"], found.revision, found.generation) == (32, 32, 1)
    history = await store.list_history(RecordQuery(key=str(KEY), limit=100))
    assert [record.revision for record in history.items] == list(range(1, 33))
    assert sorted(event.data["count"] for event in receiver.events) == list(range(1, 33))
    assert len({event.id for event in receiver.events}) == 32
    await other_store.close()


async def test_events_stay_owed_while_the_publisher_is_down_and_keep_their_ids(store: SqliteResourceStore) -> None:
    receiver, clock = Receiver(), SystemClock()
    committer = Committer(store, receiver, clock, "topic")
    receiver.down = True
    await committer.transact((KEY,), count_up(), CAUSE)
    owed = await store.unacknowledged(before=clock.now() + timedelta(seconds=1), limit=10)
    assert [record.event.id for record in owed] == [event_id(KEY, 1, 0)]
    assert not await committer.publish(owed)
    receiver.down = False
    assert await committer.publish(owed)
    assert [event.id for event in receiver.events] == [event_id(KEY, 1, 0)]
    assert await store.unacknowledged(before=clock.now() + timedelta(seconds=1), limit=10) == ()


async def test_history_says_who_what_when_and_why(store: SqliteResourceStore) -> None:
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    committer = Committer(store, Receiver(), clock, "topic")
    await committer.transact((KEY,), count_up(), CAUSE)
    clock.advance(60)
    await committer.transact((KEY,), count_up(), Cause(actor="timer", type="timer", id="t-1"))
    first, second = (await store.list_history(RecordQuery(partition=KEY.partition))).items
    assert (first.action, first.cause.actor, first.cause.id) == ("created", "alice", "r-1")
    assert (second.action, second.cause.actor, second.time) == ("updated", "timer", clock.now())
    assert second.changes["status"] == {"count": 2}
    assert second.changes["revision"] == 2
    assert "spec" not in second.changes


async def test_an_event_too_large_to_send_is_refused_before_it_is_committed(store: SqliteResourceStore) -> None:
    committer = Committer(store, Receiver(), SystemClock(), "topic")

    async def change(current: Current) -> Sequence[Draft]:
        return (Draft(KEY, {}, events=(EventDraft("Slipway.Large", "m", {"text": "é" * 600_000}),)),)

    with pytest.raises(TooLarge):
        await committer.transact((KEY,), change, CAUSE)
    assert await store.read(KEY) is None


async def test_generation_grows_with_the_spec_only(store: SqliteResourceStore) -> None:
    committer = Committer(store, Receiver(), SystemClock(), "topic")

    async def write(spec: dict[str, Any], status: dict[str, Any]) -> int:
        async def change(current: Current) -> Sequence[Draft]:
            return (Draft(KEY, spec, status),)

        return (await committer.transact((KEY,), change, CAUSE))[0].generation

    assert [await write({"a": 1}, {}), await write({"a": 1}, {"x": 1}), await write({"a": 2}, {"x": 1})] == [1, 1, 2]


async def test_a_change_that_refuses_leaves_nothing_behind(store: SqliteResourceStore) -> None:
    committer = Committer(store, Receiver(), SystemClock(), "topic")

    async def refuse(current: Current) -> Sequence[Draft]:
        raise Invalid("no")

    with pytest.raises(Invalid):
        await committer.transact((KEY,), refuse, CAUSE)
    assert await store.read(KEY) is None
    assert (await store.list_history(RecordQuery())).items == ()


JSON = st.recursive(
    st.integers() | st.text() | st.booleans(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


def apply_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2, as its pseudo code has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_patch(result.get(key), value)
    return result


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=3), JSON), st.dictionaries(st.text(max_size=3), JSON))
def test_a_merge_patch_turns_the_old_into_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert apply_patch(old, merge_patch(old, new)) == new
    assert merge_patch(old, old) == {}


async def test_one_holder_has_a_lease_until_it_expires(store: SqliteResourceStore) -> None:
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    first, second = Leases(store, clock, "host-1"), Leases(store, clock, "host-2")
    assert await first.acquire("sweep", duration_s=60)
    assert not await second.acquire("sweep", duration_s=60)
    clock.advance(40)
    assert await first.acquire("sweep", duration_s=60), "the holder goes on"
    clock.advance(50)
    assert not await second.acquire("sweep", duration_s=60), "it was renewed"
    clock.advance(20)
    assert await second.acquire("sweep", duration_s=60), "the first is gone"
    assert not await first.acquire("sweep", duration_s=60)


async def test_of_many_that_want_a_lease_at_once_one_gets_it(store: SqliteResourceStore) -> None:
    leases = [Leases(store, SystemClock(), f"host-{i}") for i in range(20)]
    won = await asyncio.gather(*[lease.acquire("sweep", duration_s=60) for lease in leases])
    assert won.count(True) == 1
