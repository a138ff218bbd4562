"""The Cosmos DB double's queries, as the real azure-cosmos client executes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.doubles.cosmos import CosmosDouble

POLICY = {"includedPaths": [{"path": "/rank/?"}, {"path": "/deep/*"}], "excludedPaths": [{"path": "/*"}]}
DOCUMENTS: list[dict[str, Any]] = [
    {"id": "a", "p": "one", "rank": 3, "name": "alpha", "deep": {"x": "k"}, "tags": ["t", "u"]},
    {"id": "b", "p": "one", "rank": 1, "name": "beta", "deep": {"x": "j"}, "ok": True},
    {"id": "c", "p": "one", "rank": 2, "name": "al", "none": None},
    {"id": "d", "p": "one", "name": "delta", "ok": False},
]


@pytest.fixture
async def double() -> AsyncIterator[CosmosDouble]:
    """A running double without databases."""
    async with CosmosDouble() as running:
        yield running


@pytest.fixture
async def container(double: CosmosDouble) -> AsyncIterator[ContainerProxy]:
    """A container partitioned by /p, where only rank and what is below deep is indexed; DOCUMENTS in one partition."""
    async with CosmosClient(double.endpoint, double.key) as client:
        database = await client.create_database("db")
        made = await database.create_container("c", partition_key=PartitionKey(path="/p"), indexing_policy=POLICY)
        for document in DOCUMENTS:
            await made.create_item(document)
        yield made


async def ids(container: ContainerProxy, query: str, /, **parameters: Any) -> str:
    """The ids that the query finds in the partition `one`."""
    given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
    found = container.query_items(query, parameters=given, partition_key="one")
    return "".join([one["id"] async for one in found])


CONDITIONS: dict[str, str] = {
    "c.rank > 1": "ac",
    "c.rank >= 1 AND c.rank < 3": "bc",
    "c.rank = 1 OR c.name = 'delta'": "bd",
    "c.rank = 1 OR c.rank = 2 AND c.name = 'x'": "b",
    '(c.rank = 1 OR c.rank = 2) AND c.name = "al"': "c",
    "c.rank != 3": "bc",
    "c.rank > 'x'": "",
    "c.rank < true": "",
    "NOT c.rank = 3": "bc",
    "NOT IS_DEFINED(c.rank)": "d",
    "IS_DEFINED(c.deep.x)": "ab",
    "c.none = null": "c",
    "c.ok = true": "b",
    "STARTSWITH(c.name, 'al')": "ac",
    "startswith(c.name, 'AL')": "",
    "STARTSWITH(c.rank, 'al')": "",
    "c.name IN ('alpha', 'delta')": "ad",
    "ARRAY_CONTAINS(c.tags, 'u')": "a",
    "true": "abcd",
}


@pytest.mark.parametrize(("condition", "found"), CONDITIONS.items())
async def test_conditions_select_what_the_service_selects(
    container: ContainerProxy, condition: str, found: str
) -> None:
    assert await ids(container, f"SELECT * FROM c WHERE {condition}") == found


async def test_parameters_and_order_within_a_partition(double: CosmosDouble, container: ContainerProxy) -> None:
    assert await ids(container, "SELECT * FROM c WHERE c.rank > @low ORDER BY c.rank", low=1) == "ca"
    assert await ids(container, "SELECT * FROM x WHERE x.rank > @low ORDER BY x.rank DESC", low=0) == "acb"
    assert await ids(container, "SELECT * FROM c WHERE ARRAY_CONTAINS(@names, c.name)", names=["beta", 7]) == "b"
    assert await ids(container, "SELECT * FROM c ORDER BY c.rank") == "dbca"
    assert await ids(container, "SELECT * FROM c WHERE c.deep.x > 'a' ORDER BY c.deep.x ASC") == "ba"
    assert double.requests["plan"] == 0


REFUSED = [
    "SELECT c.id FROM c",
    "SELECT VALUE COUNT(1) FROM c",
    "SELECT COUNT(1) FROM c GROUP BY c.name",
    "SELECT TOP 1 * FROM c",
    "SELECT DISTINCT c.name FROM c",
    "SELECT * FROM c JOIN t IN c.tags",
    "SELECT * FROM c WHERE c.name LIKE 'a%'",
    "SELECT * FROM c WHERE c.rank BETWEEN 1 AND 2",
    "SELECT * FROM c WHERE c.order = 1",
    "SELECT * FROM c WHERE c.value = 1",
    "SELECT * FROM c WHERE d.rank = 1",
    "SELECT * FROM c WHERE c.rank = @missing",
    "SELECT * FROM c WHERE c.ok",
    "SELECT * FROM c WHERE c.rank =",
    "SELECT * FROM c WHERE (c.rank = 1",
    "SELECT * FROM c WHERE c.rank == 1",
    "SELECT * FROM c WHERE c.rank = 1; DROP",
    "SELECT * FROM c WHERE UPPER(c.name) = 'X'",
    "SELECT * FROM c WHERE STARTSWITH(c.name)",
    "SELECT * FROM c ORDER BY c.name",
    "SELECT * FROM c ORDER BY c.rank, c.deep.x",
    "SELECT * FROM c ORDER BY c.rank OFFSET 0 LIMIT 1",
    "DELETE FROM c",
    "SELECT *",
]


@pytest.mark.parametrize("query", REFUSED)
async def test_what_the_double_does_not_know_is_400(container: ContainerProxy, query: str) -> None:
    with pytest.raises(CosmosHttpResponseError) as caught:
        await ids(container, query)
    assert caught.value.status_code == 400


async def fill(container: ContainerProxy) -> list[int]:
    """40 more documents of 20 partitions; the ranks of all that have one."""
    ranks = [(number * 17) % 40 + 10 for number in range(40)]
    for number, rank in enumerate(ranks):
        await container.create_item({"id": f"i{number}", "p": f"p{number // 2}", "rank": rank})
    return sorted([*ranks, 1, 2, 3])


@pytest.mark.parametrize("descending", [False, True])
async def test_order_over_all_partitions_is_merged_by_the_client(
    double: CosmosDouble, container: ContainerProxy, descending: bool
) -> None:
    ranks = await fill(container)
    order = "DESC" if descending else "ASC"
    found = container.query_items(
        f"SELECT * FROM c WHERE c.rank > @low ORDER BY c.rank {order}",
        parameters=[{"name": "@low", "value": 2}],
        max_item_count=4,
    )
    assert [one["rank"] async for one in found] == sorted(ranks[2:], reverse=descending)
    assert double.requests["plan"] == 1
    assert double.requests["query"] > 8
    held = double.container("db", "c")
    assert {held.range_of(document) for document in held.documents(None)} == {"0", "1"}


async def test_without_an_order_all_partitions_are_served_directly(
    double: CosmosDouble, container: ContainerProxy
) -> None:
    await fill(container)
    found = [one["id"] async for one in container.query_items("SELECT * FROM c WHERE IS_DEFINED(c.rank)")]
    assert len(found) == len(set(found)) == 43
    assert double.requests["plan"] == 0


async def test_pages_continue_where_the_last_one_ended_while_others_write(container: ContainerProxy) -> None:
    query = {"query": "SELECT * FROM c WHERE c.rank > 0 ORDER BY c.rank", "partition_key": "one", "max_item_count": 1}
    seen, token = [], None
    for extra in (0.5, 2.5, 9):
        pages = container.query_items(**query).by_page(token)
        seen += [one["id"] async for one in await anext(pages)]
        token = pages.continuation_token
        await container.create_item({"id": f"new-{extra}", "p": "one", "rank": extra})
    assert seen == ["b", "c", "new-2.5"]


@pytest.mark.parametrize("token", ["garbled", "e30="])
async def test_a_continuation_of_another_query_is_400(container: ContainerProxy, token: str) -> None:
    pages = container.query_items("SELECT * FROM c", partition_key="one").by_page(token)
    with pytest.raises(CosmosHttpResponseError) as caught:
        await anext(pages)
    assert caught.value.status_code == 400
