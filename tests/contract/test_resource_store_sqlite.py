"""What only SQLite promises: files that survive kill -9, and queries that read no more than they answer."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.local.resource_store import OWED, SCHEMA, open_resource_store, records_sql, resources_sql
from shared.adapters.sort_keys import event_range, history_range, query_terms, resource_range
from shared.errors import Conflict, Permanent
from shared.ports import RecordQuery, ResourceQuery
from tests.contract.resource_samples import at, commit, event, every, model, resource

# Commits pairs of versions with their history and one event, for ever; prints a number when that one was answered.
WRITER = """
import asyncio, sys
from pathlib import Path
from shared.adapters.local.resource_store import open_resource_store
from tests.contract.resource_samples import commit, event, resource

async def main(first):
    store = open_resource_store(Path(sys.argv[1]))
    for number in range(first, first + 100_000):
        pair = [resource("a", f"{number}-{side}") for side in ("left", "right")]
        await store.commit(commit(*pair, events=(event(pair[0], f"e-{number}"),), history_of=True))
        print(number, flush=True)

asyncio.run(main(int(sys.argv[2])))
"""


async def test_a_file_is_opened_again_as_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "resources.db"
    first = open_resource_store(path)
    a = resource("a")
    (etag,) = await first.commit(commit(a, events=(event(a, "e-1"),), history_of=True))
    await first.close()
    second = open_resource_store(path)
    assert await second.read(model("a")) == a.model_copy(update={"etag": etag})
    assert len(await second.unacknowledged(before=at(9), limit=9)) == 1
    with pytest.raises(Conflict):
        await second.commit(commit(a))
    await second.close()


async def test_two_processes_worth_of_clients_do_not_both_win(tmp_path: Path) -> None:
    one, other = open_resource_store(tmp_path / "r.db"), open_resource_store(tmp_path / "r.db")
    results = await asyncio.gather(
        *(store.commit(commit(resource("a", str(number)))) for number in range(10) for store in (one, other)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Conflict) for result in results) == 10
    assert len(await every(one.list_resources, ResourceQuery("model", versions="versions"))) == 10
    await one.close()
    await other.close()


async def test_kill_9_in_mid_stream_leaves_whole_commits(tmp_path: Path) -> None:
    path, answered = tmp_path / "r.db", set[int]()
    for round_ in range(5):
        answered |= await write_until_killed(path, first=round_ * 100_000, answers=random.randrange(1, 40))
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        await assert_whole(path, answered)


async def write_until_killed(path: Path, *, first: int, answers: int) -> set[int]:
    """The numbers that a writer was seen to have answered before it was killed, and perhaps more in the file."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        str(path),
        str(first),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert writer.stdout is not None
    numbers = [int(await writer.stdout.readline()) for _ in range(answers)]
    writer.kill()
    rest, _ = await writer.communicate()
    return {*numbers, *(int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n"))}


async def assert_whole(path: Path, answered: set[int]) -> None:
    """Every answered commit is there, and each commit that is there is there with all of its parts."""
    store = open_resource_store(path)
    versions = await every(store.list_resources, ResourceQuery("model", name="a", versions="versions", limit=1000))
    numbers = {int(str(one.version).partition("-")[0]) for one in versions}
    assert answered <= numbers
    assert {one.version for one in versions} == {f"{n}-{side}" for n in numbers for side in ("left", "right")}
    events = await every(store.list_events, RecordQuery(limit=1000))
    assert {one.event.id for one in events} == {f"e-{number}" for number in numbers}
    history = await every(store.list_history, RecordQuery(limit=1000))
    assert {one.key for one in history} == {str(one.key) for one in versions}
    await store.close()


def plan_of(sql: str, values: list[object]) -> list[str]:
    """SQLite's plan for a statement."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


RESOURCES = {
    ResourceQuery("model"): "documents_by_sort_key (sort_key>? AND sort_key<?)",
    ResourceQuery("model", descending=True): "documents_by_sort_key (sort_key>? AND sort_key<?)",
    ResourceQuery("model", name="a", versions="versions"): "documents_by_sort_key (sort_key>? AND sort_key<?)",
    ResourceQuery("model", unfinished_before=at(0)): "documents_unfinished (sort_key>? AND sort_key<?)",
    ResourceQuery("model", sort="created"): "documents_by_created_key (created_key>? AND created_key<?)",
    ResourceQuery("model", sort="created", created_from=at(0)): (
        "documents_by_created_key (created_key>? AND created_key<?)"
    ),
}
SEARCHES = {
    ResourceQuery("model", terms=("tag:a",)): "USING PRIMARY KEY (term=? AND sort_key>? AND sort_key<?)",
    ResourceQuery("*", terms=("ref:model/a:1",)): "USING PRIMARY KEY (term=? AND sort_key>? AND sort_key<?)",
    ResourceQuery("model", terms=("tag:a", "tag:b=1"), name="a", versions="versions", descending=True): (
        "USING PRIMARY KEY (term=? AND sort_key>? AND sort_key<?)"
    ),
    ResourceQuery("model", terms=("tag:a",), sort="created", created_before=at(0)): (
        "USING COVERING INDEX terms_by_created_key (term=? AND created_key>? AND created_key<?)"
    ),
}
RECORDS = {
    RecordQuery(): "by_sort_key (sort_key>? AND sort_key<?)",
    RecordQuery(since=at(0)): "by_sort_key (sort_key>? AND sort_key<?)",
    RecordQuery(partition="model/a"): "by_partition (partition=? AND sort_key>? AND sort_key<?)",
    RecordQuery(key="model/a:1"): "by_key (key=? AND sort_key>? AND sort_key<?)",
    RecordQuery(key="model/a:1", partition="model/a"): "by_key (key=? AND sort_key>? AND sort_key<?)",
}
FILTERS = ({}, {"types": ("T", "U")}, {"subject_prefix": "models/"})


def test_each_listing_of_resources_reads_one_range_of_one_index_and_sorts_nothing() -> None:
    for query, index in RESOURCES.items():
        sql, values = resources_sql(query, resource_range(query))
        assert plan_of(sql, values) == [f"SEARCH d USING INDEX {index}"], query


def test_each_search_goes_along_one_index_in_its_order_and_reads_only_the_documents_it_finds() -> None:
    for query, index in SEARCHES.items():
        sql, values = resources_sql(query, resource_range(query), query_terms(query))
        plan = plan_of(sql, values)
        assert plan[0] == f"SEARCH t {index}", query
        assert "SEARCH d USING INDEX documents_by_sort_key (sort_key=?)" in plan, query
        assert not any("SCAN" in step or "TEMP B-TREE" in step for step in plan), query


def test_each_listing_of_records_reads_one_range_of_one_index_and_sorts_nothing() -> None:
    for query, index in RECORDS.items():
        sql, values = records_sql("history", "body", query, history_range(query))
        assert plan_of(sql, values) == [f"SEARCH history USING INDEX history_{index}"], query
        for more in FILTERS:
            filtered = replace(query, **more)
            sql, values = records_sql("events", "body", filtered, event_range(filtered))
            assert plan_of(sql, values) == [f"SEARCH events USING INDEX events_{index}"], filtered


def test_owed_events_are_found_without_reading_the_log() -> None:
    assert plan_of(f"{OWED} LIMIT ?", ["event x", 1]) == ["SEARCH events USING INDEX events_owed (sort_key<?)"]


async def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"this is not a database, " * 100)
    store = open_resource_store(tmp_path / "r.db")
    with pytest.raises(Permanent, match=r"r\.db"):
        await store.read(model("a"))
    await store.close()
