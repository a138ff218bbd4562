"""The control plane on its Azure adapters: Cosmos DB's double, Azurite for blobs and queue, the local topic endpoint as
Event Grid. A pump does what Azure does around the functions: it hands over messages and events until they are gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid.aio import EventGridPublisherClient
from azure.storage.queue.aio import QueueClient

from shared.adapters.azure.acr_images import AcrImageBuilder
from shared.adapters.azure.acr_runs import AcrRuns
from shared.adapters.azure.acr_tasks import AcrTasksBuilder
from shared.adapters.azure.event_publisher import EventGridPublisher
from shared.adapters.azure.no_credentials import NoCredentials
from shared.adapters.azure.no_monitor_runner import NoMonitorRunner
from shared.adapters.azure.no_optimizer import NoOptimizer
from shared.adapters.azure.no_profiler import NoProfiler
from shared.adapters.azure.no_target import NoTarget
from shared.adapters.azure.resource_store import ensure_container, open_cosmos_store
from shared.adapters.azure.work_queue import open_work_queue
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.event_grid import LocalEventGrid, open_event_grid
from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
from shared.api.dispatch import answer
from shared.api.message import JSON, ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.bootstrap.assembly import Adapters, assemble
from shared.local_host.topic_endpoint import TOPIC_PATH, add_topic_routes
from shared.ports import MonitorRunner
from shared.settings import Settings
from tests.azurite import AzuriteServer
from tests.contract.blob_stores import AzureBlobs, azure_blobs
from tests.doubles.arm_event_subscriptions import TokenCredential
from tests.doubles.cosmos import CosmosDouble
from tests.doubles.webhook_receiver import serving

DATABASE = "slipway"
TOPIC_KEY = "the-topic-key"
LIFECYCLE = "lifecycle_event"
PUMP_PAUSE_S = 0.02


class Topic:
    """The custom topic: what it took, and whether it is down."""

    def __init__(self, grid: LocalEventGrid) -> None:
        self.grid = grid
        self.is_down = False
        self.taken: list[dict[str, Any]] = []  # each event as it was delivered to the lifecycle function
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve it."""

        @web.middleware
        async def refuse_when_down(request: web.Request, handler: Handler) -> web.StreamResponse:
            return web.Response(status=503) if self.is_down else await handler(request)

        await self.grid.subscriptions.set_system({LIFECYCLE: "slipway"})
        app = web.Application(middlewares=[refuse_when_down])
        add_topic_routes(app, self.grid, TOPIC_KEY)
        async with serving(app) as base_url:
            self.url = f"{base_url}{TOPIC_PATH}"
            yield

    def ids(self, event_type: str) -> list[str]:
        """The ids of the events of that type that were taken, repeated when they came twice."""
        return [event["id"] for event in self.taken if event["eventType"] == event_type]


@dataclass
class World:
    """Two function apps on the same services."""

    planes: tuple[ControlPlane, ControlPlane]
    blobs: AzureBlobs
    topic: Topic
    cosmos: CosmosDouble

    @property
    def plane(self) -> ControlPlane:
        """The first of them."""
        return self.planes[0]

    async def pump(self) -> None:
        """Hand over queue messages and lifecycle events, as they come, until cancelled."""
        while True:
            await self._deliver_events()
            await self._work()
            await asyncio.sleep(PUMP_PAUSE_S)

    async def _deliver_events(self) -> None:
        due, _ = await self.topic.grid.due(LIFECYCLE, limit=100)
        for delivery in due:
            document = json.loads(delivery.document)
            self.topic.taken.append(document)
            await self.plane.lifecycle_event(document)
        await self.topic.grid.finish(due)

    async def _work(self) -> None:
        queue = self.plane.deps.queue
        for message in await queue.receive(max_messages=16, visibility_timeout_s=60):
            await self.plane.loop.work(message.body, message.id)
            await queue.delete(message)


@asynccontextmanager
async def azure_world(
    azurite: AzuriteServer,
    folder: Path,
    monitors: Callable[[AzureBlobs], MonitorRunner] = lambda blobs: NoMonitorRunner(),
    **settings: Any,
) -> AsyncIterator[World]:
    """Fresh services, two function apps, and the pump, for as long as the context lasts."""
    async with AsyncExitStack() as parts:
        cosmos = await parts.enter_async_context(CosmosDouble())
        await ensure_container(cosmos.endpoint, DATABASE, cosmos.key)
        blobs = await parts.enter_async_context(azure_blobs(azurite))
        grid = open_event_grid(folder / "eventgrid.db")
        parts.push_async_callback(grid.close)
        topic = Topic(grid)
        await parts.enter_async_context(topic.listening())
        queue_name = f"reconcile-{uuid.uuid4().hex}"
        async with QueueClient.from_connection_string(azurite.connection_string, queue_name) as client:
            await client.create_queue()
        names = ("app-1", "app-2")
        runner = monitors(blobs)
        first, second = [
            _plane(name, azurite, cosmos, blobs, topic, queue_name, parts, runner, settings) for name in names
        ]
        world = World((first, second), blobs, topic, cosmos)
        pump = asyncio.create_task(world.pump())
        try:
            yield world
            assert not pump.done(), pump.exception()
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump


def _plane(
    instance_id: str,
    azurite: AzuriteServer,
    cosmos: CosmosDouble,
    blobs: AzureBlobs,
    topic: Topic,
    queue_name: str,
    parts: AsyncExitStack,
    monitors: MonitorRunner,
    more: Mapping[str, Any],
) -> ControlPlane:
    store = open_cosmos_store(cosmos.endpoint, DATABASE, cosmos.key)
    queue = open_work_queue(azurite.queue_url, queue_name, azurite.connection_string)
    client = EventGridPublisherClient(topic.url, AzureKeyCredential(TOPIC_KEY), retry_total=0)
    publisher = EventGridPublisher(client, "EventGridSchema")  # type: ignore[arg-type]
    for closing in (store, queue, publisher):
        parts.push_async_callback(closing.close)
    settings = Settings(mode="azure", upload_settle_s=0.5, outbox_grace_s=0, instance_id=instance_id, **more)
    subscriptions = LocalEventSubscriptions(topic.grid)
    runs = AcrRuns("", TokenCredential())  # type: ignore[arg-type]
    builders = AcrTasksBuilder(runs), AcrImageBuilder(runs)
    missing = NoProfiler(), NoOptimizer(), monitors, NoTarget(), NoCredentials()
    ports = store, blobs.area, blobs.store, queue, publisher, subscriptions
    adapters = Adapters(*ports, *builders, *missing, SystemClock())
    return assemble(settings, adapters)


async def call(
    plane: ControlPlane,
    operation_id: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    **route: str,
) -> ApiResponse:
    """The answer of a REST operation."""
    request = ApiRequest(
        method="",
        url="",
        headers={"content-type": JSON, **(headers or {})},
        query=query or {},
        route=route,
        body=b"" if body is None else json.dumps(body).encode(),
        request_id=str(uuid.uuid4()),
    )
    return await answer(operation_id, request, plane)
