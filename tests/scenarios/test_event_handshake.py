"""Who gets events of the local Event Grid: those whose endpoint agreed, in the form they asked for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from shared.adapters.local.clock import ManualClock
from shared.adapters.local.event_grid import (
    open_event_grid,
)
from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
from shared.errors import Invalid
from shared.local_host.topic_endpoint import add_topic_routes
from shared.ports import Subscription
from shared.settings import LOCAL_TOPIC
from tests.doubles.webhook_receiver import bound_socket, serving, webhook_receiver
from tests.scenarios.event_world import REGISTERED, World, world

__all__ = ["world"]


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
async def test_events_come_in_the_form_that_was_asked_for(world: World, schema: str) -> None:
    async with webhook_receiver() as receiver, world.delivering():
        made = await world.subscribe("receiver", receiver, event_delivery_schema=schema)
        assert made.state == "Succeeded"
        await world.publish(1)
        await receiver.until(lambda: bool(receiver.deliveries))
    (delivery,) = receiver.deliveries
    document, headers = json.loads(delivery.body), delivery.headers
    assert headers["aeg-event-type"] == "Notification"
    assert (headers["aeg-subscription-name"], headers["aeg-delivery-count"]) == ("receiver", "0")
    if schema == "EventGridSchema":
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert (headers["aeg-data-version"], headers["aeg-metadata-version"]) == ("1", "1")
        assert [(each["id"], each["eventType"], each["topic"]) for each in document] == [
            ("event-0", REGISTERED, LOCAL_TOPIC)
        ]
    else:
        assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        assert headers["origin"] == "eventgrid.azure.net"
        assert (document["specversion"], document["id"], document["type"]) == ("1.0", "event-0", REGISTERED)
        assert (document["source"], document["data"]) == (LOCAL_TOPIC, {"a": "ü"})


@pytest.mark.parametrize(
    ("handshake", "schema"),
    [
        ("accepted", "EventGridSchema"),  # 202
        ("wrong code", "EventGridSchema"),
        ("refuses", "EventGridSchema"),
        ("wrong code", "CloudEventSchemaV1_0"),  # allows another origin
        ("refuses", "CloudEventSchemaV1_0"),  # 405
    ],
)
async def test_who_does_not_agree_gets_nothing(world: World, handshake: Any, schema: Any) -> None:
    async with webhook_receiver(handshake) as receiver:
        with pytest.raises(Invalid):
            await world.subscribe("receiver", receiver, event_delivery_schema=schema)
    assert await world.subscriptions.list() == ()
    await world.publish(1)
    assert await world.grid.count_pending("receiver") == 0


async def test_who_cannot_be_reached_gets_nothing(world: World) -> None:
    with bound_socket() as sock, pytest.raises(Invalid, match="cannot be reached"):
        await world.subscriptions.put(Subscription("receiver", f"http://127.0.0.1:{sock.getsockname()[1]}/hook"))


async def test_a_refused_change_leaves_the_subscription_as_it_was(world: World) -> None:
    async with webhook_receiver() as receiver, webhook_receiver("wrong code") as other, world.delivering():
        made = await world.subscribe("receiver", receiver)
        with pytest.raises(Invalid):
            await world.subscribe("receiver", other)
        assert await world.subscriptions.list() == (made,)
        await world.publish(1)
        await receiver.until(lambda: receiver.accepted_ids == ["event-0"])
    assert other.deliveries == []


async def test_an_old_validation_url_does_not_validate_a_new_endpoint(world: World) -> None:
    async with webhook_receiver("silent") as first, webhook_receiver("silent") as second:
        await world.subscribe("receiver", first)
        await world.subscribe("receiver", second)
        async with aiohttp.ClientSession() as session:
            async with session.get(first.validation_urls[0]) as old:
                assert old.status == 404
            assert [each.state for each in await world.subscriptions.list()] == ["AwaitingManualAction"]
            async with session.post(second.validation_urls[0]) as new:
                assert new.status == 200
        (kept,) = await world.subscriptions.list()
        assert (kept.endpoint_url, kept.state) == (second.url, "Succeeded")


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
async def test_opening_the_validation_url_makes_events_come(world: World, schema: str) -> None:
    async with webhook_receiver("silent") as receiver, world.delivering(), aiohttp.ClientSession() as session:
        made = await world.subscribe("receiver", receiver, event_delivery_schema=schema)
        assert made.state == "AwaitingManualAction"
        await world.publish(1, subject="before")
        (url,) = receiver.validation_urls
        async with session.get(url[:-1]) as wrong, session.get(url) as right:
            assert (wrong.status, right.status) == (404, 200)
        assert [each.state for each in await world.subscriptions.list()] == ["Succeeded"]
        await world.publish(1, subject="after")
        await receiver.until(lambda: bool(receiver.deliveries))
    assert [each["subject"] for delivery in receiver.deliveries for each in delivery.events] == ["after"]


async def test_a_validation_url_is_good_for_5_minutes(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    grid = open_event_grid(tmp_path / "eventgrid.db", clock)
    app = web.Application()
    add_topic_routes(app, grid, "key")
    async with serving(app) as base_url, webhook_receiver("silent") as receiver, aiohttp.ClientSession() as session:
        await grid.subscriptions.announce(base_url)
        subscriptions = LocalEventSubscriptions(grid)
        await subscriptions.put(Subscription("receiver", receiver.url))
        clock.advance(301)
        (late,) = await subscriptions.list()
        assert (late.state, "5 minutes" in late.state_reason) == ("Failed", True)
        async with session.get(receiver.validation_urls[0]) as response:
            assert response.status == 404
        assert [each.state for each in await subscriptions.list()] == ["Failed"]
    await grid.close()
