"""The Cosmos DB double is as strict as the service: what the real azure-cosmos client sees of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from azure.core import MatchConditions
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

from tests.doubles.cosmos import CosmosDouble
from tests.doubles.cosmos.auth import check_signature
from tests.doubles.cosmos.errors import CosmosError

POLICY = {"includedPaths": [{"path": "/rank/?"}, {"path": "/deep/*"}], "excludedPaths": [{"path": "/*"}]}


@pytest.fixture
async def double() -> AsyncIterator[CosmosDouble]:
    """A running double without databases."""
    async with CosmosDouble() as running:
        yield running


@pytest.fixture
async def container(double: CosmosDouble) -> AsyncIterator[ContainerProxy]:
    """A container partitioned by /p, with time to live, where only rank and what is below deep is indexed."""
    async with CosmosClient(double.endpoint, double.key) as client:
        database = await client.create_database("db")
        key = PartitionKey(path="/p")
        yield await database.create_container("c", partition_key=key, default_ttl=-1, indexing_policy=POLICY)


def item(name: str, partition: str = "one", **fields: Any) -> dict[str, Any]:
    """A document."""
    return {"id": name, "p": partition, **fields}


async def status_of(call: Any) -> int:
    """The status of a call that must fail."""
    with pytest.raises(CosmosHttpResponseError) as caught:
        await call
    return int(caught.value.status_code)


async def test_an_unsigned_or_wrongly_signed_request_is_401(double: CosmosDouble) -> None:
    async with aiohttp.ClientSession() as session, session.get(double.endpoint) as answer:
        assert answer.status == 401
    async with CosmosClient(double.endpoint, double.key) as client:
        await client.create_database("db")
    with pytest.raises(CosmosHttpResponseError) as caught:
        async with CosmosClient(double.endpoint, "A" * 86 + "==") as client:
            await client.create_database("db")
    assert caught.value.status_code == 401


def test_the_documented_example_of_a_signature_is_right_but_too_old() -> None:
    """The key, the request and the signature are the example of Microsoft's reference, "Access control"."""
    key = "dsZQi3KtZmCv1ljt3VNWNm7sQUF1y5rJfC6kv5JiwvW0EndXdDku/dkKBp8/ufDToSxLzR4y+O/0H/t4bQtVNw=="
    date = "Thu, 27 Apr 2017 00:51:12 GMT"
    signature = "type%3dmaster%26ver%3d1.0%26sig%3dc09PEVJrgp2uQRkr934kFbTqhByc7TVr3OHyqlu%2bc%2bc%3d"
    for segments, status in ((["dbs", "ToDoList"], 403), (["dbs", "Other"], 401)):
        with pytest.raises(CosmosError) as caught:
            check_signature(key, "GET", segments, signature, date)
        assert caught.value.status == status


async def test_creating_twice_is_409_and_upserting_is_not(container: ContainerProxy) -> None:
    await container.create_item(item("a"))
    assert await status_of(container.create_item(item("a"))) == 409
    assert (await container.upsert_item(item("a", n=2)))["n"] == 2
    await container.create_item(item("a", "two"))


async def test_a_document_is_found_only_by_its_own_partition_key(container: ContainerProxy) -> None:
    await container.create_item(item("a", "one"))
    assert (await container.read_item("a", "one"))["p"] == "one"
    assert await status_of(container.read_item("a", "two")) == 404
    assert await status_of(container.replace_item("a", item("a", "two"))) == 404
    assert await status_of(container.delete_item("a", "two")) == 404


async def test_if_match_is_412_for_another_state(container: ContainerProxy) -> None:
    first = await container.create_item(item("a"))
    second = await container.replace_item("a", item("a"))
    assert first["_etag"] != second["_etag"]
    stale = {"etag": first["_etag"], "match_condition": MatchConditions.IfNotModified}
    assert await status_of(container.replace_item("a", item("a"), **stale)) == 412
    assert await status_of(container.delete_item("a", "one", **stale)) == 412
    patch = [{"op": "set", "path": "/n", "value": 1}]
    assert await status_of(container.patch_item("a", "one", patch, **stale)) == 412
    await container.delete_item("a", "one", etag=second["_etag"], match_condition=MatchConditions.IfNotModified)
    assert await status_of(container.delete_item("a", "one")) == 404


@pytest.mark.parametrize("name", ["a/b", "a?", "a#", "a\\b", "", "x" * 1024, "end "])
async def test_an_illegal_id_is_400(container: ContainerProxy, name: str) -> None:
    operations = [("create", (item(name),))]
    with pytest.raises(CosmosBatchOperationError) as caught:
        await container.execute_item_batch(operations, partition_key="one")
    assert caught.value.status_code == 400


async def test_what_is_too_large_is_413_and_what_is_not_json_is_400(container: ContainerProxy) -> None:
    large = "x" * (2 * 1024 * 1024)
    assert await status_of(container.create_item(item("a", text=large))) == 413
    assert await status_of(container.create_item(item("a", number=float("nan")))) == 400
    halves = [("create", (item(name, text=large[: len(large) // 2]),)) for name in "ab"]
    assert await status_of(container.execute_item_batch(halves, partition_key="one")) == 413
    assert await status_of(container.read_item("a", "one")) == 404


async def failed_batch(
    container: ContainerProxy, operations: list[Any], partition: str = "one"
) -> tuple[int, int, str]:
    """Status, index of the operation that failed, and the statuses of all."""
    with pytest.raises(CosmosBatchOperationError) as caught:
        await container.execute_item_batch(operations, partition_key=partition)
    error = caught.value
    statuses = " ".join(str(answer["statusCode"]) for answer in error.operation_responses)
    return int(error.status_code), int(error.error_index), statuses


async def test_a_batch_is_all_or_nothing(container: ContainerProxy) -> None:
    old = await container.create_item(item("old", n=1))
    create, again = ("create", (item("new"),)), ("create", (item("old"),))
    stale = ("replace", ("old", item("old", n=2)), {"if_match_etag": '"0"'})
    assert await failed_batch(container, [create, again]) == (409, 1, "424 409")
    assert await failed_batch(container, [create, stale, create]) == (412, 1, "424 412 424")
    assert await failed_batch(container, [("delete", ("old",)), ("replace", ("no", item("no")))]) == (404, 1, "424 404")
    assert await failed_batch(container, [create, ("create", (item("x", "two"),))]) == (400, 1, "424 400")
    assert await status_of(container.read_item("new", "one")) == 404
    assert (await container.read_item("old", "one"))["_etag"] == old["_etag"]


async def test_a_batch_sees_its_own_operations(container: ContainerProxy) -> None:
    operations = [("create", (item("a"),)), ("replace", ("a", item("a", n=2))), ("create", (item("b"),))]
    operations.append(("patch", ("b", [{"op": "set", "path": "/n", "value": 3}])))
    answers = await container.execute_item_batch([*operations, ("delete", ("a",))], partition_key="one")
    assert [answer["statusCode"] for answer in answers] == [201, 200, 201, 200, 204]
    assert answers[3]["eTag"] == (await container.read_item("b", "one"))["_etag"]
    assert await status_of(container.read_item("a", "one")) == 404


async def test_a_batch_holds_1_to_100_operations(container: ContainerProxy) -> None:
    operations = [("create", (item(f"i{number}"),)) for number in range(101)]
    assert await status_of(container.execute_item_batch(operations, partition_key="one")) == 400
    assert len(await container.execute_item_batch(operations[:100], partition_key="one")) == 100
    assert await status_of(container.execute_item_batch([], partition_key="one")) == 400


async def test_patches_change_a_part_under_their_condition(container: ContainerProxy) -> None:
    await container.create_item(item("a", n=1, deep={"x": 1}))
    operations = [{"op": "incr", "path": "/n", "value": 2}, {"op": "remove", "path": "/deep/x"}]
    operations.append({"op": "set", "path": "/deep/y", "value": [1]})
    patched = await container.patch_item("a", "one", operations, filter_predicate="FROM c WHERE c.n = 1")
    assert (patched["n"], patched["deep"]) == (3, {"y": [1]})
    assert await status_of(container.patch_item("a", "one", operations, filter_predicate="from c where c.n = 1")) == 412
    wrong: list[list[dict[str, Any]]] = [
        [{"op": "remove", "path": "/none"}],
        [{"op": "set", "path": "/id", "value": "b"}],
        [{"op": "set", "path": "/p", "value": "two"}],
        [{"op": "set", "path": "/_etag", "value": "x"}],
        [{"op": "set", "path": "/none/below", "value": 1}],
        [{"op": "move", "path": "/n", "from": "/deep"}],
        [{"op": "set", "path": "/ttl", "value": 0}],
        [{"op": "set", "path": f"/f{number}", "value": 1} for number in range(11)],
        [],
    ]
    for patch in wrong:
        assert await status_of(container.patch_item("a", "one", patch)) == 400, patch
    assert (await container.read_item("a", "one"))["_etag"] == patched["_etag"]


async def test_a_document_goes_when_its_time_to_live_ends(double: CosmosDouble, container: ContainerProxy) -> None:
    await container.create_item(item("short", ttl=10))
    await container.create_item(item("long"))
    double.skip_time(9)
    await container.read_item("short", "one")
    double.skip_time(2)
    assert await status_of(container.read_item("short", "one")) == 404
    await container.create_item(item("short"))
    double.skip_time(10**9)
    assert len([one async for one in container.query_items("SELECT * FROM c", partition_key="one")]) == 2


@pytest.mark.parametrize("status", [429, 449, 503])
async def test_faults_come_as_often_as_was_asked(double: CosmosDouble, container: ContainerProxy, status: int) -> None:
    headers = {"x-ms-retry-after-ms": "1"}
    double.fail_next(status, times=100, headers=headers, operations=frozenset({"item.create"}))
    assert await status_of(container.create_item(item("a"))) == status
    assert await status_of(container.read_item("a", "one")) == 404
    assert double.requests["item.create"] == {429: 10, 449: 1, 503: 2}[status]


async def test_an_answer_can_be_lost_after_the_write(double: CosmosDouble, container: ContainerProxy) -> None:
    double.fail_next(408, after=True)
    assert await status_of(container.create_item(item("a"))) == 408
    assert (await container.read_item("a", "one"))["id"] == "a"


async def test_a_client_notices_that_a_container_was_made_again(
    double: CosmosDouble, container: ContainerProxy
) -> None:
    await container.create_item(item("a"))
    async with CosmosClient(double.endpoint, double.key) as other:
        database = other.get_database_client("db")
        await database.delete_container("c")
        await database.create_container("c", partition_key=PartitionKey(path="/p"))
    assert await status_of(container.read_item("a", "one")) == 404
    await container.create_item(item("a"))
