"""What only Cosmos DB does: throttling, lost answers, time to live, what a query costs. On the protocol double."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from shared import telemetry
from shared.adapters.azure.cosmos_documents import ACKNOWLEDGED_TTL_S, CONTAINER
from shared.adapters.azure.resource_store import CosmosResourceStore, ensure_container, open_cosmos_store
from shared.errors import Conflict, NotFound, Retryable, Unauthorized
from shared.ports import RecordQuery, ResourceQuery
from shared.telemetry import Attributes
from tests.contract.resource_samples import at, commit, event, every, model, resource
from tests.contract.resource_stores import DATABASE
from tests.doubles.cosmos import CosmosDouble


@pytest.fixture
async def double() -> AsyncIterator[CosmosDouble]:
    """A double with the container that Slipway wants."""
    async with CosmosDouble() as running:
        await ensure_container(running.endpoint, DATABASE, running.key)
        yield running


@pytest.fixture
async def store(double: CosmosDouble) -> AsyncIterator[CosmosResourceStore]:
    """The store in it."""
    opened = open_cosmos_store(double.endpoint, DATABASE, double.key)
    yield opened
    await opened.close()


async def test_the_container_is_made_as_it_is_declared_and_only_once(double: CosmosDouble) -> None:
    await ensure_container(double.endpoint, DATABASE, double.key)
    made: dict[str, Any] = double.container(DATABASE, "resources").definition
    assert {name: made[name] for name in CONTAINER} == CONTAINER
    assert double.requests["container.create"] == 1


class Charges:
    """A Telemetry that keeps what was recorded, by status."""

    def __init__(self) -> None:
        self.recorded: dict[object, list[float]] = {}

    def span(self, name: str, parent: str, attributes: Attributes) -> AbstractContextManager[None]:
        return nullcontext()

    def traceparent(self) -> str:
        return ""

    def count(self, name: str, attributes: Attributes) -> None:
        """Nothing is counted here."""

    def record(self, name: str, value: float, attributes: Attributes) -> None:
        assert name == telemetry.REQUEST_UNITS
        self.recorded.setdefault(attributes["status"], []).append(value)


async def test_the_request_units_of_every_answer_are_measured(double: CosmosDouble, store: CosmosResourceStore) -> None:
    before, charges = sum(double.request_units.values()), Charges()
    double.fail_next(429, times=1, headers={"x-ms-retry-after-ms": "1"}, operations=frozenset({"batch"}))
    telemetry.use(charges)
    try:
        await store.commit(commit(resource("a")))
        await store.read(model("a"))
        await every(store.list_resources, ResourceQuery("model"))
    finally:
        telemetry.use(None)
    taken = sum(double.request_units.values()) - before
    assert taken > 0
    assert sum(map(sum, charges.recorded.values())) == pytest.approx(taken)
    assert charges.recorded[429] == [0]


async def test_throttling_is_waited_for(double: CosmosDouble, store: CosmosResourceStore) -> None:
    double.fail_next(429, times=3, headers={"x-ms-retry-after-ms": "1", "x-ms-substatus": "3200"})
    await store.commit(commit(resource("a")))
    assert double.requests["batch"] == 4


@pytest.mark.parametrize("status", [429, 449, 503, 500, 408])
async def test_a_service_that_cannot_answer_now_is_retryable_and_nothing_was_written(
    double: CosmosDouble, store: CosmosResourceStore, status: int
) -> None:
    await store.read(model("a"))
    double.fail_next(status, times=20, headers={"x-ms-retry-after-ms": "1"}, operations=frozenset({"batch"}))
    with pytest.raises(Retryable):
        await store.commit(commit(resource("a")))
    assert await store.read(model("a")) is None


async def test_a_commit_whose_answer_was_lost_is_retryable_and_was_made_once(
    double: CosmosDouble, store: CosmosResourceStore
) -> None:
    a = resource("a")
    double.fail_next(408, operations=frozenset({"batch"}), after=True)
    with pytest.raises(Retryable):
        await store.commit(commit(a, events=(event(a, "e-1"),), history_of=True))
    with pytest.raises(Conflict):
        await store.commit(commit(a, events=(event(a, "e-1"),), history_of=True))
    assert await store.read(model("a")) is not None
    assert len(await every(store.list_events, RecordQuery())) == 1
    assert len(await every(store.list_history, RecordQuery())) == 1


@pytest.mark.parametrize("status", [429, 449, 500])
async def test_listings_and_reads_that_fail_now_are_retryable(
    double: CosmosDouble, store: CosmosResourceStore, status: int
) -> None:
    await store.commit(commit(resource("a")))
    double.fail_next(
        status, times=1000, headers={"x-ms-retry-after-ms": "1"}, operations=frozenset({"query", "item.read"})
    )
    with pytest.raises(Retryable):
        await store.list_resources(ResourceQuery("model"))
    with pytest.raises(Retryable):
        await store.read(model("a"))


async def test_an_acknowledgement_that_fails_now_leaves_the_event_owed(
    double: CosmosDouble, store: CosmosResourceStore
) -> None:
    a = resource("a")
    events = (event(a, "e-1"), event(a, "e-2"))
    await store.commit(commit(a, events=events))
    double.fail_next(449, times=2, operations=frozenset({"item.patch"}))
    with pytest.raises(Retryable):
        await store.acknowledge(events, at(1))
    assert len(await store.unacknowledged(before=at(9), limit=9)) == 2


async def test_published_events_go_after_30_days_and_all_else_stays(
    double: CosmosDouble, store: CosmosResourceStore
) -> None:
    a = resource("a")
    events = (event(a, "e-1"), event(a, "e-2", seconds=1))
    await store.commit(commit(a, events=events, history_of=True))
    await store.acknowledge(events[:1], at(1))
    double.skip_time(ACKNOWLEDGED_TTL_S - 60)
    assert len(await every(store.list_events, RecordQuery())) == 2
    double.skip_time(120)
    assert [one.event.id for one in await every(store.list_events, RecordQuery())] == ["e-2"]
    double.skip_time(ACKNOWLEDGED_TTL_S * 12)
    assert [one.event.id for one in await store.unacknowledged(before=at(9), limit=9)] == ["e-2"]
    assert await store.read(model("a")) is not None
    assert len(await every(store.list_history, RecordQuery())) == 1
    await store.acknowledge(events, at(2))
    assert await store.unacknowledged(before=at(9), limit=9) == ()


async def test_a_missing_container_is_not_a_missing_resource(double: CosmosDouble) -> None:
    for database, container in ((DATABASE, "other"), ("other", "resources")):
        lost = open_cosmos_store(double.endpoint, database, double.key, container)
        with pytest.raises(NotFound, match="no container"):
            await lost.read(model("a"))
        with pytest.raises(NotFound, match="no container"):
            await lost.commit(commit(resource("a")))
        await lost.close()


async def test_a_wrong_key_is_unauthorized_and_is_not_told(double: CosmosDouble) -> None:
    wrong = "A" * 86 + "=="
    store = open_cosmos_store(double.endpoint, DATABASE, wrong)
    with pytest.raises(Unauthorized) as caught:
        await store.read(model("a"))
    assert wrong not in str(caught.value)
    await store.close()


async def test_what_lies_in_one_partition_is_asked_of_one_partition(
    double: CosmosDouble, store: CosmosResourceStore
) -> None:
    await store.commit(commit(resource("a"), resource("a", "1")))
    await store.list_resources(ResourceQuery("model", name="a", versions="versions"))
    await store.list_events(RecordQuery(key="model/a:1"))
    await store.list_history(RecordQuery(partition="model/a"))
    assert double.requests["query"] == 3
    assert double.requests["plan"] == 0
    await store.list_resources(ResourceQuery("model"))
    assert double.requests["plan"] == 1


async def test_a_commit_is_one_request_and_so_is_a_read(double: CosmosDouble, store: CosmosResourceStore) -> None:
    await store.read(model("a"))
    before = dict(double.requests)
    a = resource("a")
    await store.commit(commit(a, resource("a", "1"), events=(event(a, "e-1"),), history_of=True))
    await store.read(model("a"))
    grown = {name: count - before.get(name, 0) for name, count in double.requests.items() if count != before.get(name)}
    assert {name: count for name, count in grown.items() if name != "account"} == {"batch": 1, "item.read": 1}
