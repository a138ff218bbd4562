"""A local Event Grid that delivers to receivers on loopback, for the scenarios of events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.local.event_grid import (
    LocalEventGrid,
    LocalEventPublisher,
    open_event_grid,
)
from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
from shared.local_host.event_delivery import EventDelivery, SystemSubscription
from shared.local_host.topic_endpoint import add_topic_routes
from shared.ports import Clock, Subscription
from shared.resources.events import Event
from shared.settings import LOCAL_TOPIC
from tests.doubles.webhook_receiver import Received, WebhookReceiver, serving

REGISTERED = "Microsoft.MachineLearningServices.ModelRegistered"


def events(count: int, **fields: Any) -> list[Event]:
    values: dict[str, Any] = {"type": REGISTERED, "time": datetime.now(UTC), "topic": LOCAL_TOPIC, "data": {"a": "ü"}}
    return [Event(**{**values, "id": f"event-{n}", "subject": f"models/m:{n}", **fields}) for n in range(count)]


@dataclass
class World:
    """A local Event Grid that delivers, a thousand times as impatient as the service."""

    grid: LocalEventGrid
    dead_letter_dir: Path

    @property
    def subscriptions(self) -> LocalEventSubscriptions:
        return LocalEventSubscriptions(self.grid)

    async def subscribe(self, name: str, receiver: WebhookReceiver, **fields: Any) -> Subscription:
        secret = fields.pop("signing_secret", None)
        return await self.subscriptions.put(Subscription(name, receiver.url, **fields), signing_secret=secret)

    async def publish(self, count: int, **fields: Any) -> list[str]:
        made = events(count, **fields)
        await LocalEventPublisher(self.grid).publish(made)
        return [each.id for each in made]

    @asynccontextmanager
    async def delivering(
        self, *system: SystemSubscription, clock: Clock | None = None, **fields: Any
    ) -> AsyncIterator[None]:
        settings = {"backoff_scale": 0.001, "dead_letter_dir": self.dead_letter_dir, **fields}
        delivery = EventDelivery(self.grid, clock or self.grid.clock, system=system, **settings)
        await delivery.register()
        task = asyncio.create_task(delivery.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def dead_letters(self, name: str) -> list[dict[str, Any]]:
        return [
            each for path in self.dead_letter_dir.glob(f"{name}/**/*.json") for each in json.loads(path.read_bytes())
        ]

    async def settled(self, name: str) -> None:
        """Return once nothing is owed to the subscription (the database tells nobody, so it is asked)."""
        async with asyncio.timeout(30):
            while await self.grid.count_pending(name):
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    grid = open_event_grid(tmp_path / "eventgrid.db", SystemClock())
    app = web.Application()
    add_topic_routes(app, grid, "key")
    async with serving(app) as base_url:
        await grid.subscriptions.announce(base_url)
        yield World(grid, tmp_path / "dead-letters")
    await grid.close()


def answers(status: int) -> Callable[[Received], Any]:
    async def answer(_: Received) -> web.Response:
        return web.Response(status=status)

    return answer


async def attempted(world: World, name: str) -> None:
    """Return once an attempt has failed and the event waits for the next."""
    tomorrow = ManualClock(SystemClock().now() + timedelta(days=1))
    inspection = open_event_grid(world.grid.path, tomorrow)
    async with asyncio.timeout(30):
        while True:
            deliveries, _ = await inspection.due(name, limit=100)
            if any(each.attempts for each in deliveries):
                break
            await asyncio.sleep(0.01)
    await inspection.close()
