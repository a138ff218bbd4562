"""The local Event Grid delivers to signed webhooks and to the function app's own endpoints."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from shared.local_host.event_delivery import SystemSubscription
from tests.doubles.webhook_receiver import Received, webhook_receiver
from tests.scenarios.event_world import World, events, world

__all__ = ["world"]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_signed_deliveries_verify_with_the_librarys_own_check(world: World) -> None:
    async with webhook_receiver() as receiver, world.delivering():
        statuses = iter([500])

        async def fail_once(_: Received) -> web.Response:
            return web.Response(status=next(statuses, 200))

        receiver.answer = fail_once
        await world.subscribe("receiver", receiver, signing_secret=SECRET)
        await world.publish(1)
        await receiver.until(lambda: len(receiver.accepted_ids) == 1)
    for delivery in receiver.deliveries:
        (verified,) = Webhook(SECRET).verify(delivery.body, delivery.headers)
        assert verified["id"] == "event-0"
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(delivery.body.replace(b"event-0", b"event-1"), delivery.headers)
    assert [each.headers["webhook-id"] for each in receiver.deliveries] == ["event-0", "event-0"]
    assert SECRET not in str(await world.subscriptions.list())


async def test_the_function_app_gets_both_topics_as_the_service_sends_them(world: World) -> None:
    async with webhook_receiver() as storage, webhook_receiver() as lifecycle:
        storage_url = f"{storage.url}?functionName=storage_event&code=key"
        both = (
            SystemSubscription("storage", "storage_event", storage_url),
            SystemSubscription("slipway", "lifecycle_event", lifecycle.url),
        )
        async with world.delivering(*both):
            await world.grid.enqueue("storage", events(25, type="Microsoft.Storage.BlobCreated"))
            await world.publish(1, id="registered")
            await storage.until(lambda: len(storage.accepted_ids) == 25)
            await lifecycle.until(lambda: len(lifecycle.accepted_ids) == 1)
            assert await world.subscriptions.list() == ()
    assert lifecycle.accepted_ids == ["registered"]
    assert sorted(storage.accepted_ids) == sorted(each.id for each in events(25))
    assert all(isinstance(json.loads(each.body), list) for each in storage.deliveries)
    assert len(storage.deliveries) < 25


async def test_one_bad_event_takes_no_others_of_its_batch_along(world: World) -> None:
    async with webhook_receiver() as functions:

        async def refuse_one(received: Received) -> web.Response:
            return web.Response(status=500 if any(each["id"] == "event-3" for each in received.events) else 202)

        functions.answer = refuse_one
        system = SystemSubscription("storage", "storage_event", functions.url)
        async with world.delivering(system, backoff_scale=1e-9):
            await world.grid.enqueue("storage", events(10))
            await world.settled("storage_event")
    assert sorted(functions.accepted_ids) == [f"event-{n}" for n in range(10) if n != 3]
    (letter,) = world.dead_letters("storage_event")
    assert (letter["id"], letter["deliveryAttempts"]) == ("event-3", 30)


async def test_events_published_before_the_host_runs_are_delivered_when_it_does(world: World) -> None:
    async with AsyncExitStack() as stack:
        functions = await stack.enter_async_context(webhook_receiver())
        system = SystemSubscription("storage", "storage_event", functions.url)
        await world.grid.subscriptions.set_system({"storage_event": "storage"})
        await world.grid.enqueue("storage", events(3))
        await stack.enter_async_context(world.delivering(system))
        await functions.until(lambda: len(functions.accepted_ids) == 3)
