"""The contract of ResourceStore's listings and of the outbox."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import Invalid
from shared.ports import Page, RecordQuery, ResourceQuery, Write
from shared.resources.base import Resource
from shared.resources.events import RecordedEvent
from tests.contract.resource_samples import at, commit, event, every, history, resource
from tests.contract.resource_stores import ADAPTERS, Store, opened


@pytest.fixture(params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    async with opened(request.param, tmp_path) as make:
        yield make()


async def add(store: Store, *resources: Resource) -> None:
    """Commit each by itself."""
    for one in resources:
        await store.commit(commit(one))


async def test_heads_are_listed_by_name_and_versions_are_not_among_them(store: Store) -> None:
    names = ["a", "a-b", "a.b", "A", "a_b", "b", "a1", "0"]
    await add(store, *(resource(name) for name in names), resource("a", "1"), resource("a", kind="upload"))
    found = await every(store.list_resources, ResourceQuery("model", limit=3))
    assert [one.name for one in found] == sorted(names)
    assert all(one.version is None and one.etag for one in found)
    assert [
        one.name for one in await every(store.list_resources, ResourceQuery("model", limit=3, descending=True))
    ] == (sorted(names, reverse=True))
    assert [one.kind for one in await every(store.list_resources, ResourceQuery("upload"))] == ["upload"]
    assert await store.list_resources(ResourceQuery("job")) == Page(())
    assert [one.name for one in (await store.list_resources(ResourceQuery("model", name="a"))).items] == ["a"]


async def test_integer_versions_are_listed_as_numbers_before_all_others(store: Store) -> None:
    ordered = ["0", "1", "2", "9", "10", "11", "100", "99999999999999999999999", "1.0", "a", "v2"]
    shuffled = random.Random(7).sample(ordered, len(ordered))
    await add(store, *(resource("m", version) for version in shuffled), resource("m"), resource("m-x", "5"))
    query = ResourceQuery("model", name="m", versions="versions", limit=2)
    assert [one.version for one in await every(store.list_resources, query)] == ordered
    assert [one.version for one in await every(store.list_resources, replace(query, descending=True))] == ordered[::-1]
    all_names = await every(store.list_resources, ResourceQuery("model", versions="versions", limit=5))
    assert [(one.name, one.version) for one in all_names] == [("m", version) for version in ordered] + [("m-x", "5")]


@pytest.mark.parametrize("descending", [False, True])
async def test_paging_neither_skips_nor_doubles_while_others_insert(store: Store, descending: bool) -> None:
    old = [f"m{number:02d}" for number in range(0, 30, 3)]
    await add(store, *(resource(name) for name in old))
    query, seen, pages = ResourceQuery("model", limit=3, descending=descending), [], 0
    while True:
        page = await store.list_resources(query)
        seen += [one.name for one in page.items]
        if page.continuation is None:
            break
        pages += 1
        await add(store, resource(f"m{pages:02d}x"), resource(f"m{28 - pages:02d}y"))
        query = replace(query, after=page.continuation)
    assert seen == sorted(set(seen), reverse=descending)
    assert set(old) <= set(seen)


async def test_unfinished_ones_are_found_when_their_time_has_come(store: Store) -> None:
    await add(
        store,
        resource("due", unfinished=True, look_again_at=at(10)),
        resource("now", unfinished=True, look_again_at=at(20)),
        resource("later", unfinished=True, look_again_at=at(20.000001)),
        resource("at-once", unfinished=True),
        resource("done", look_again_at=at(0)),
        resource("versioned", "1", unfinished=True),
    )
    query = ResourceQuery("model", unfinished_before=at(20), limit=2)
    assert [one.name for one in await every(store.list_resources, query)] == ["at-once", "due", "now"]
    (first,) = (await store.list_resources(replace(query, limit=1))).items
    await store.commit(commit(first.model_copy(update={"unfinished": False})))
    assert [one.name for one in await every(store.list_resources, query)] == ["due", "now"]


async def fill_log(store: Store) -> list[RecordedEvent]:
    """Seven events of three resources, committed in an order that is not theirs; they, in their order."""
    a, a1, b = resource("a"), resource("a", "1"), resource("b")
    events = [
        event(a, "e-0", seconds=0, type_="Created", subject="models/a"),
        event(b, "e-1", seconds=1, type_="Created", subject="models/b"),
        event(a1, "e-2", seconds=2, type_="Registered", subject="models/a:1"),
        event(a1, "e-3", seconds=2, type_="Registered", subject="models/a:1"),
        event(a1, "e-4", seconds=2.000001, type_="Changed", subject="models/a:1"),
        event(b, "e-5", seconds=3, type_="Changed", subject="models/b"),
        event(a, "e-6", seconds=60, type_="Changed", subject="models/a"),
    ]
    await store.commit(commit(b, events=(events[5], events[1])))
    await store.commit(commit(a, a1, events=(events[6], events[0], *events[2:5])))
    return events


def ids(events: list[RecordedEvent] | tuple[RecordedEvent, ...]) -> str:
    """The last digits of the events' ids."""
    return "".join(one.event.id[2:] for one in events)


async def test_the_event_log_is_ordered_by_time_and_id_and_can_be_filtered(store: Store) -> None:
    events = await fill_log(store)
    assert await every(store.list_events, RecordQuery(limit=2)) == events
    expected = {
        RecordQuery(partition="model/a", limit=2): "02346",
        RecordQuery(key="model/a:1", limit=2): "234",
        RecordQuery(key="model/a:1", partition="model/b"): "",
        RecordQuery(types=("Created", "Registered"), limit=1): "0123",
        RecordQuery(types=("Changed",), partition="model/b"): "5",
        RecordQuery(subject_prefix="models/a:", limit=2): "234",
        RecordQuery(subject_prefix="models/%"): "",
        RecordQuery(since=at(2), limit=3): "23456",
        RecordQuery(since=at(2.000001), types=("Changed",), key="model/a:1"): "4",
        RecordQuery(since=at(61)): "",
        RecordQuery(types=("Nothing",)): "",
    }
    for query, found in expected.items():
        assert ids(await every(store.list_events, query)) == found, query


async def test_owed_events_are_given_oldest_first_until_acknowledged(store: Store) -> None:
    events = await fill_log(store)
    assert await store.unacknowledged(before=at(999), limit=100) == tuple(events)
    assert ids(await store.unacknowledged(before=at(999), limit=3)) == "012"
    assert ids(await store.unacknowledged(before=at(2), limit=100)) == "01"
    await store.acknowledge(events[:5], at(100))
    await store.acknowledge(events[3:6], at(200))
    await store.acknowledge((), at(300))
    assert ids(await store.unacknowledged(before=at(999), limit=100)) == "6"
    logged = await every(store.list_events, RecordQuery())
    assert [one.acknowledged_at for one in logged] == [at(100)] * 5 + [at(200), None]
    assert [one.event for one in logged] == [one.event for one in events]


async def test_acknowledging_an_event_that_is_not_there_does_nothing(store: Store) -> None:
    await store.acknowledge([event(resource("a"), "e-1")], at(1))
    assert await every(store.list_events, RecordQuery()) == []


async def test_history_is_ordered_by_time_and_can_be_filtered(store: Store) -> None:
    a, b = resource("a"), resource("b")
    (etag,) = await store.commit(commit(a, history_of=False))
    for revision in range(1, 13):
        changed = a.model_copy(update={"etag": etag})
        write = Write(changed, history(a, revision, seconds=revision // 4))
        (etag,) = await store.commit(replace(commit(changed), writes=(write,)))
    await store.commit(replace(commit(b), writes=(Write(b, history(b, 1, seconds=1)),)))
    found = await every(store.list_history, RecordQuery(limit=5))
    assert [(one.key, one.revision) for one in found if one.key == "model/a"] == [("model/a", n) for n in range(1, 13)]
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert len(found) == 13
    assert [one.key for one in await every(store.list_history, RecordQuery(partition="model/b"))] == ["model/b"]
    since = await every(store.list_history, RecordQuery(key="model/a", since=at(2), limit=2))
    assert [one.revision for one in since] == [8, 9, 10, 11, 12]


async def test_history_has_no_event_fields(store: Store) -> None:
    for query in (RecordQuery(types=("T",)), RecordQuery(subject_prefix="s")):
        with pytest.raises(Invalid):
            await store.list_history(query)


async def test_limits_and_keys_out_of_bounds_are_invalid(store: Store) -> None:
    for limit in (0, -1, 1001):
        with pytest.raises(Invalid):
            await store.list_resources(ResourceQuery("model", limit=limit))
        with pytest.raises(Invalid):
            await store.list_events(RecordQuery(limit=limit))
        with pytest.raises(Invalid):
            await store.list_history(RecordQuery(limit=limit))
    for listing in (store.list_events, store.list_history):
        with pytest.raises(Invalid):
            await listing(RecordQuery(key="nonsense"))


def encoded(text: str) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


async def test_a_continuation_that_the_store_did_not_make_is_invalid(store: Store) -> None:
    await add(store, resource("a"), resource("b"), resource("a", "1"), resource("a", "2"))
    heads = (await store.list_resources(ResourceQuery("model", limit=1))).continuation
    versions = (await store.list_resources(ResourceQuery("model", versions="versions", limit=1))).continuation
    assert heads is not None
    garbled = [
        "",
        "x",
        "!",
        "ünicode",
        heads[:-1],
        heads + "A",
        heads + "==",
        encoded("{}"),
        encoded("[1]"),
        "A" * 9000,
    ]
    garbled += [
        encoded('[2,"model/heads a -"]'),
        encoded("[1,5]"),
        encoded('[1, "model/heads a -"]'),
        encoded("[" * 2000),
    ]
    for token in [*garbled, versions]:
        with pytest.raises(Invalid):
            await store.list_resources(ResourceQuery("model", after=token))
    for listing in (store.list_events, store.list_history):
        with pytest.raises(Invalid):
            await listing(RecordQuery(after=heads))
    with pytest.raises(Invalid):
        await store.list_resources(ResourceQuery("upload", after=heads))
