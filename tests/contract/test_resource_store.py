"""The contract of ResourceStore: what every adapter does with commits and reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import Conflict, Invalid, TooLarge
from shared.ports import Commit, RecordQuery, ResourceQuery, Write
from shared.resources.base import Resource, ResourceKey
from tests.contract.resource_samples import at, commit, event, every, history, model, resource
from tests.contract.resource_stores import ADAPTERS, Store, opened


@pytest.fixture(params=ADAPTERS)
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Store]]:
    """Makes clients of the same store."""
    async with opened(request.param, tmp_path) as make:
        yield make


@pytest.fixture
def store(client: Callable[[], Store]) -> Store:
    """An empty store."""
    return client()


@pytest.mark.skipif(
    "cosmos" not in ADAPTERS,
    reason="SLIPWAY_TEST_COSMOS_ENDPOINT and _KEY are not set: nothing was checked against a real Cosmos DB",
)
def test_a_real_cosmos_db_is_among_the_checked_stores() -> None:
    assert "cosmos" in ADAPTERS


async def test_a_commit_is_read_back_as_it_was_written(store: Store) -> None:
    spec = {
        "text": "Grüße, 日本 \U0001f40b \u2028 \"quoted\" 'x'",
        "number": 0.1,
        "big": 2**40,
        "none": None,
        "list": [{}],
    }
    written = resource("diabetes", "3", spec=spec, tags={"a": "b"}, unfinished=True, look_again_at=at(1.5))
    assert await store.read(written.key) is None
    (etag,) = await store.commit(commit(written))
    found = await store.read(written.key)
    assert found == written.model_copy(update={"etag": etag})
    assert found is not None
    assert found.etag == etag != ""
    assert '"' not in etag


async def test_a_new_client_sees_what_was_committed(client: Callable[[], Store]) -> None:
    await client().commit(commit(resource("a")))
    assert await client().read(model("a")) is not None


async def test_each_commit_gives_a_new_etag_and_only_the_newest_can_be_replaced(store: Store) -> None:
    (first,) = await store.commit(commit(resource("a")))
    (second,) = await store.commit(commit(resource("a", etag=first, spec={"n": 2})))
    assert second != first
    with pytest.raises(Conflict):
        await store.commit(commit(resource("a", etag=first, spec={"n": 3})))
    found = await store.read(model("a"))
    assert found is not None
    assert found.spec == {"n": 2}


async def test_the_same_content_twice_still_changes_the_etag(store: Store) -> None:
    (first,) = await store.commit(commit(resource("a")))
    (second,) = await store.commit(commit(resource("a", etag=first)))
    assert second != first


async def assert_nothing_but_a(store: Store, etag: str) -> None:
    """The store holds exactly model/a in that state, one history record and one event."""
    found = await every(store.list_resources, ResourceQuery("model"))
    assert [(one.name, one.etag) for one in found] == [("a", etag)]
    assert await every(store.list_resources, ResourceQuery("model", versions="versions")) == []
    assert [one.key for one in await every(store.list_history, RecordQuery())] == ["model/a"]
    assert [one.event.id for one in await every(store.list_events, RecordQuery())] == ["e-1"]
    assert len(await store.unacknowledged(before=at(999), limit=10)) == 1


@pytest.mark.parametrize("clash", ["exists", "stale etag", "gone", "event id", "history revision"])
async def test_a_conflict_leaves_nothing_of_the_commit_behind(store: Store, clash: str) -> None:
    a = resource("a", revision=1)
    (etag,) = await store.commit(commit(a, events=(event(a, "e-1"),), history_of=True))
    new = Write(resource("a", "1"), history(resource("a", "1")))
    second: dict[str, Write] = {
        "exists": Write(a, history(a, 2)),
        "stale etag": Write(a.model_copy(update={"etag": "0"}), history(a, 2)),
        "gone": Write(resource("a", "7", etag="0"), history(resource("a", "7"))),
        "event id": Write(resource("a", "2")),
        "history revision": Write(a.model_copy(update={"etag": etag}), history(a, 1)),
    }
    events = (event(a, "e-2", seconds=5), event(a, "e-1" if clash == "event id" else "e-3"))
    with pytest.raises(Conflict):
        await store.commit(Commit((new, second[clash]), events))
    await assert_nothing_but_a(store, etag)


async def test_a_delete_removes_the_document_and_keeps_its_history_and_events(store: Store) -> None:
    a = resource("a", "1")
    (etag,) = await store.commit(commit(a, events=(event(a, "e-1"),), history_of=True))
    gone = Write(a.model_copy(update={"etag": etag}), history(a, 2, seconds=1), delete=True)
    with pytest.raises(Conflict):
        await store.commit(Commit((replace(gone, resource=resource("a", "1", etag="0")),)))
    assert await store.commit(Commit((gone,), (event(a, "e-2", seconds=1),))) == ("",)
    assert await store.read(a.key) is None
    assert await every(store.list_resources, ResourceQuery("model", versions="versions")) == []
    assert [one.revision for one in await every(store.list_history, RecordQuery(key="model/a:1"))] == [1, 2]
    assert [one.event.id for one in await every(store.list_events, RecordQuery(key="model/a:1"))] == ["e-1", "e-2"]
    with pytest.raises(Conflict):
        await store.commit(Commit((gone,)))
    await store.commit(commit(resource("a", "1")))
    assert await store.read(a.key) is not None


async def test_of_30_concurrent_commits_on_one_etag_one_wins(store: Store) -> None:
    (etag,) = await store.commit(commit(resource("a")))

    async def attempt(number: int) -> int | None:
        changed = resource("a", etag=etag, spec={"winner": number})
        try:
            await store.commit(commit(changed, events=(event(changed, f"e-{number}"),)))
        except Conflict:
            return None
        return number

    results = await asyncio.gather(*(attempt(number) for number in range(30)))
    winners = [number for number in results if number is not None]
    assert len(winners) == 1
    found = await store.read(model("a"))
    assert found is not None
    assert found.spec == {"winner": winners[0]}
    assert [one.event.id for one in await every(store.list_events, RecordQuery())] == [f"e-{winners[0]}"]


async def test_of_30_concurrent_creations_one_wins(store: Store) -> None:
    results = await asyncio.gather(*(store.commit(commit(resource("a"))) for _ in range(30)), return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(result, tuple | Conflict) for result in results)


async def test_kinds_of_one_partition_commit_together(store: Store) -> None:
    registration = resource("a", "abc", kind="registration")
    await store.commit(commit(resource("a"), resource("a", "1"), registration))
    assert await store.read(ResourceKey("registration", "a", "abc")) is not None
    assert await store.read(ResourceKey("registration", "a")) is None
    with pytest.raises(Conflict):
        await store.commit(commit(resource("a", "2"), registration))
    assert await store.read(model("a", "2")) is None


async def test_the_largest_commit_is_taken_whole(store: Store) -> None:
    resources = tuple(resource("a", str(number)) for number in range(30))
    events = tuple(event(resources[0], f"e-{number:02d}", seconds=number) for number in range(40))
    etags = await store.commit(commit(*resources, events=events, history_of=True))
    assert len(set(etags)) == 30
    assert [await store.read(one.key) for one in resources[::7]] == [
        one.model_copy(update={"etag": etag}) for one, etag in list(zip(resources, etags, strict=True))[::7]
    ]
    assert len(await every(store.list_events, RecordQuery())) == 40
    assert len(await every(store.list_history, RecordQuery())) == 30


def refused() -> dict[str, Commit]:
    """Commits that no store takes."""
    a = resource("a")
    many = tuple(event(a, f"e-{number}") for number in range(100))
    return {
        "no write": Commit(()),
        "31 writes": commit(*(resource("a", str(number)) for number in range(31))),
        "101 operations": commit(a, events=many),
        "two partitions": commit(a, resource("b")),
        "one resource twice": commit(a, a),
        "delete of an unknown state": Commit((Write(a, delete=True),)),
        "event of another partition": commit(a, events=(event(resource("b"), "e-1"),)),
        "history of another resource": Commit((Write(a, history(resource("b"))),)),
        "slash in a name": commit(resource("a/b")),
        "space in a version": commit(resource("a", "1 2")),
        "question mark in an event's id": commit(a, events=(event(a, "e?1"),)),
        "half a character": commit(resource("a", spec={"text": "\ud800"})),
    }


@pytest.mark.parametrize("wrong", refused())
async def test_a_commit_that_no_store_takes_is_invalid(store: Store, wrong: str) -> None:
    with pytest.raises(Invalid):
        await store.commit(refused()[wrong])
    assert await every(store.list_resources, ResourceQuery("model")) == []
    assert await every(store.list_events, RecordQuery()) == []


async def test_a_commit_above_2_mb_is_too_large(store: Store) -> None:
    half: list[Resource] = [resource("a", str(number), spec={"text": "x" * 1_100_000}) for number in range(2)]
    with pytest.raises(TooLarge):
        await store.commit(commit(*half))
    assert await store.read(half[0].key) is None
    await store.commit(commit(half[0]))
