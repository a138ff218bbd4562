"""The contract of ResourceStore's searches: terms, times, orders, references across kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Invalid
from shared.ports import ANY_KIND, Commit, ResourceQuery, Write
from shared.resources.search import ACTIVE, field_term, property_term, reference_term, tag_term, word_term
from tests.contract.resource_samples import at, commit, every, resource
from tests.contract.resource_stores import ADAPTERS, Store, opened

VERSIONS = ResourceQuery("model", versions="versions", limit=2)


@pytest.fixture(params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with six versions of two models."""
    async with opened(request.param, tmp_path) as make:
        opened_store = make()
        for number in range(1, 7):
            fields: dict[str, Any] = {
                "tags": {"team": "red" if number % 2 else "blue", "n": str(number)},
                "properties": {"azureml.git.commit": f"c{number // 3}"},
                "spec": {"framework": "Onnx" if number > 3 else "PyTorch", "references": ["data/churn:1"]},
                "description": "Gradient boosting for CHURN" if number == 2 else None,
                "created_at": at(-number),
            }
            await opened_store.commit(commit(resource("a" if number < 5 else "b", str(number), **fields)))
        await opened_store.commit(commit(resource("job-1", kind="job", spec={"references": ["data/churn:1"]})))
        yield opened_store


async def found(store: Store, *terms: str, **changes: Any) -> list[str | None]:
    """The versions that a search finds, over all its pages."""
    query = replace(VERSIONS, terms=terms, **changes)
    return [one.version for one in await every(store.list_resources, query)]


async def test_every_term_must_hold(store: Store) -> None:
    assert await found(store, tag_term("team")) == ["1", "2", "3", "4", "5", "6"]
    assert await found(store, tag_term("team", "red")) == ["1", "3", "5"]
    assert await found(store, tag_term("team", "red"), field_term("framework", "Onnx")) == ["5"]
    assert await found(store, tag_term("team", "red"), tag_term("n", "2")) == []
    assert await found(store, property_term("azureml.git.commit", "c1")) == ["3", "4", "5"]
    assert await found(store, word_term("churn"), word_term("Gradient")) == ["2"]
    assert await found(store, tag_term("team", "re")) == []
    assert await found(store, tag_term("team", "red"), name="a") == ["1", "3"]


async def test_orders_and_times(store: Store) -> None:
    assert await found(store, tag_term("team", "red"), descending=True) == ["5", "3", "1"]
    assert await found(store, tag_term("team", "red"), sort="created") == ["5", "3", "1"]
    assert await found(store, sort="created", descending=True) == ["1", "2", "3", "4", "5", "6"]
    assert await found(store, sort="created", name="b") == ["6", "5"]
    times = {"created_from": at(-4), "created_before": at(-2)}
    assert await found(store, **times) == ["3", "4"]
    assert await found(store, tag_term("team", "blue"), **times) == ["4"]
    assert await found(store, tag_term("team"), sort="created", **times) == ["4", "3"]


async def test_what_changes_is_found_by_its_new_state_only(store: Store) -> None:
    before = (await store.list_resources(replace(VERSIONS, terms=(tag_term("n", "1"),)))).items[0]
    archived = before.model_copy(update={"tags": {"n": "one"}, "status": {"archived": True}, "revision": 2})
    await store.commit(commit(archived))
    assert await found(store, tag_term("n", "1")) == []
    assert await found(store, tag_term("n", "one")) == ["1"]
    assert await found(store, ACTIVE) == ["2", "3", "4", "5", "6"]
    kept = (await store.list_resources(replace(VERSIONS, terms=(tag_term("n", "one"),)))).items[0]
    await store.commit(Commit((Write(kept, delete=True),)))
    assert await found(store, tag_term("n", "one")) == []
    assert await found(store) == ["2", "3", "4", "5", "6"]


async def test_a_long_value_is_found_by_all_of_it_only(store: Store) -> None:
    values = ["x" * 2000 + end for end in ("a", "b")]
    for number, value in enumerate(values):
        await store.commit(commit(resource("long", str(number), tags={"note": value})))
    assert await found(store, tag_term("note", values[1])) == ["1"]


async def test_who_refers_to_something_is_found_across_kinds(store: Store) -> None:
    query = ResourceQuery(ANY_KIND, terms=(reference_term("data/churn:1"),), limit=3)
    users = [str(one.key) for one in await every(store.list_resources, query)]
    assert sorted(users) == sorted(["job/job-1", *(f"model/{'a' if n < 5 else 'b'}:{n}" for n in range(1, 7))])
    assert (await store.list_resources(replace(query, terms=(reference_term("data/churn:2"),)))).items == ()
    assert len(await every(store.list_resources, ResourceQuery(ANY_KIND, limit=4))) == 7


async def test_conditions_no_store_takes_are_refused(store: Store) -> None:
    for query in (
        replace(VERSIONS, terms=tuple(f"tag:{n}" for n in range(11))),
        ResourceQuery(ANY_KIND, name="a"),
        ResourceQuery(ANY_KIND, sort="created"),
        ResourceQuery(ANY_KIND, created_from=at(0)),
    ):
        with pytest.raises(Invalid):
            await store.list_resources(query)
