"""What every EventPublisher keeps: the local Event Grid, and azure-eventgrid against the local topic endpoint."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid.aio import EventGridPublisherClient

from shared.adapters.azure.event_publisher import EventGridPublisher
from shared.adapters.local.clock import ManualClock
from shared.adapters.local.event_grid import LocalEventGrid, LocalEventPublisher, open_event_grid
from shared.errors import Retryable, TooLarge, Unauthorized
from shared.events.wire import from_wire
from shared.local_host.topic_endpoint import API_VERSION, TOPIC_PATH, add_topic_routes
from shared.ports import EventPublisher
from shared.resources.events import Event
from shared.settings import LOCAL_TOPIC
from tests.doubles.webhook_receiver import bound_socket, serving

KEY = "the-topic-key"
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


def event(number: int, **fields: Any) -> Event:
    values: dict[str, Any] = {
        "id": f"event-{number}",
        "type": "Microsoft.MachineLearningServices.ModelRegistered",
        "subject": f"models/zürich:{number}",
        "time": NOW,
        "data": {"modelName": "zürich", "modelVersion": number, "modelTags": {"a": "b"}},
        "topic": LOCAL_TOPIC,
    }
    return Event(**{**values, **fields})


@dataclass
class Subject:
    publisher: EventPublisher
    grid: LocalEventGrid

    async def taken(self) -> list[Event]:
        """What the topic has taken so far, in any order."""
        deliveries, _ = await self.grid.due("lifecycle_event", limit=1000)
        return sorted((from_wire(json.loads(each.document)) for each in deliveries), key=lambda each: each.id)


@pytest.fixture
async def grid(tmp_path: Path) -> AsyncIterator[LocalEventGrid]:
    opened = open_event_grid(tmp_path / "eventgrid.db", ManualClock(NOW))
    await opened.subscriptions.set_system({"lifecycle_event": "slipway"})
    yield opened
    await opened.close()


@pytest.fixture
async def topic_url(grid: LocalEventGrid) -> AsyncIterator[str]:
    app = web.Application()
    add_topic_routes(app, grid, KEY)
    async with serving(app) as base_url:
        yield base_url + TOPIC_PATH


def client(url: str, key: str = KEY) -> EventGridPublisherClient:
    return EventGridPublisherClient(url, AzureKeyCredential(key), retry_total=0)


@pytest.fixture(params=["local", "azure, Event Grid schema", "azure, CloudEvents"])
async def subject(request: pytest.FixtureRequest, grid: LocalEventGrid, topic_url: str) -> AsyncIterator[Subject]:
    if request.param == "local":
        yield Subject(LocalEventPublisher(grid), grid)
        return
    schema = "CloudEventSchemaV1_0" if "Cloud" in request.param else "EventGridSchema"
    publisher = EventGridPublisher(client(topic_url), schema)  # type: ignore[arg-type]
    yield Subject(publisher, grid)
    await publisher.close()


async def test_events_arrive_as_they_were(subject: Subject) -> None:
    events = [event(1), event(2, type="Slipway.UploadFailed", subject="uploads/x")]
    await subject.publisher.publish(events)
    assert await subject.taken() == events


async def test_nothing_is_published_for_nothing(subject: Subject) -> None:
    await subject.publisher.publish([])
    assert await subject.taken() == []


async def test_an_event_that_is_sent_again_is_taken_again_under_its_id(subject: Subject) -> None:
    await subject.publisher.publish([event(1)])
    await subject.publisher.publish([event(1)])
    assert [each.id for each in await subject.taken()] == ["event-1", "event-1"]


async def test_more_than_a_request_holds_arrives_whole(subject: Subject) -> None:
    events = [event(number, data={"text": "ü" * 60_000}) for number in range(9)]
    await subject.publisher.publish(events)
    assert [each.id for each in await subject.taken()] == [each.id for each in events]


async def test_an_event_larger_than_event_grid_takes_is_too_large(subject: Subject) -> None:
    with pytest.raises(TooLarge, match="event-2"):
        await subject.publisher.publish([event(1), event(2, data={"text": "x" * 1_100_000})])
    assert await subject.taken() == []


async def test_a_topic_that_is_down_is_retryable_and_takes_events_later(grid: LocalEventGrid) -> None:
    sock = bound_socket()
    publisher = EventGridPublisher(client(f"http://127.0.0.1:{sock.getsockname()[1]}{TOPIC_PATH}"), "EventGridSchema")
    with pytest.raises(Retryable):
        await publisher.publish([event(1)])
    app = web.Application()
    add_topic_routes(app, grid, KEY)
    async with serving(app, sock):
        await publisher.publish([event(1)])
    await publisher.close()
    assert [each.id for each in await Subject(publisher, grid).taken()] == ["event-1"]


async def test_a_wrong_key_is_unauthorized_and_not_repeated(topic_url: str, grid: LocalEventGrid) -> None:
    publisher = EventGridPublisher(client(topic_url, "another-key"), "EventGridSchema")
    with pytest.raises(Unauthorized) as caught:
        await publisher.publish([event(1)])
    await publisher.close()
    assert "another-key" not in str(caught.value)
    assert await Subject(publisher, grid).taken() == []


GOOD = {
    "id": "1",
    "subject": "s",
    "eventType": "t",
    "eventTime": "2026-11-23T12:00:00Z",
    "dataVersion": "1",
    "data": {},
}
CLOUD = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0"}


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", [GOOD], 200),
        ("application/json", [], 200),
        ("application/json", [{**GOOD, "topic": LOCAL_TOPIC}], 200),
        ("application/cloudevents+json", CLOUD, 200),
        ("application/cloudevents-batch+json", [CLOUD], 200),
        ("application/json", GOOD, 400),
        ("application/json", [[GOOD]], 400),
        ("application/json", [CLOUD], 400),
        ("application/json", [{**GOOD, "topic": "/another"}], 400),
        ("application/json", [{**GOOD, "eventTime": "yesterday"}], 400),
        ("application/json", [{**GOOD, "id": "a\r\nX: 1"}], 400),
        ("application/json", [{**GOOD, "dataVersion": "\ud800"}], 400),
        *[
            ("application/json", [GOOD, {**GOOD, name: ""}], 400)
            for name in ("id", "subject", "eventType", "eventTime")
        ],
        ("application/cloudevents+json", [CLOUD], 400),
        ("application/cloudevents-batch+json", [{**CLOUD, "specversion": "0.3"}], 400),
        *[("application/cloudevents-batch+json", [{**CLOUD, name: ""}], 400) for name in ("id", "source", "type")],
        ("text/plain", [GOOD], 415),
    ],
)
async def test_the_topic_takes_only_whole_requests(
    topic_url: str, grid: LocalEventGrid, content_type: str, body: Any, status: int
) -> None:
    answer = await post(topic_url, json.dumps(body).encode(), content_type)
    assert answer == status
    expected = 0 if status != 200 or body == [] else 1
    assert await grid.count_pending("lifecycle_event") == expected


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[", 400), (b"[" * 100_000, 400), (b'[{"id": NaN}]', 400), (b"\xff", 400), (b" " * 1_100_000, 413)],
)
async def test_the_topic_refuses_what_is_no_event(topic_url: str, body: bytes, status: int) -> None:
    assert await post(topic_url, body) == status


@pytest.mark.parametrize(
    ("key", "query", "status"),
    [("", {}, 401), ("the-topic-ke", {}, 401), ("schlüssel", {}, 401), (KEY, {"api-version": "2020-01-01"}, 400)],
)
async def test_the_topic_wants_its_key_and_version(
    topic_url: str, key: str, query: dict[str, str], status: int
) -> None:
    assert await post(topic_url, json.dumps([GOOD]).encode(), key=key, query=query) == status


async def post(
    url: str, body: bytes, content_type: str = "application/json", key: str = KEY, query: dict[str, str] | None = None
) -> int:
    headers = {"Content-Type": content_type, "aeg-sas-key": key}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers=headers, params=query or {"api-version": API_VERSION}) as response,
    ):
        return response.status


async def test_a_function_is_owed_only_the_types_it_reacts_to(grid: LocalEventGrid) -> None:
    await grid.subscriptions.set_system({"lifecycle_event": "slipway"}, {"lifecycle_event": ["Slipway.Wanted"]})
    wanted, other = event(1, type="Slipway.Wanted"), event(2, type="Slipway.Other")
    assert await grid.enqueue("slipway", [other, wanted]) == 1
    deliveries, _ = await grid.due("lifecycle_event", limit=10)
    assert [each.event_id for each in deliveries] == ["event-1"]
    await grid.subscriptions.set_system({"lifecycle_event": "slipway"})
    assert await grid.enqueue("slipway", [other]) == 1
