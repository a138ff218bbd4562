"""Instances of the function app with the settings of Azure, as processes: Azurite for blobs and queues, the doubles of
Cosmos DB, Event Grid, Resource Manager, a cluster and the identities' tokens, each over TLS behind a proxy that fails
at a stated rate, but for the endpoint of the platform's own tokens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from shared.adapters.azure.blob_service import open_blob_service
from shared.adapters.azure.resource_store import ensure_container
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.event_grid import LocalEventGrid, open_event_grid
from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
from shared.events.wire import from_wire
from shared.local_host.event_delivery import EventDelivery, SystemSubscription
from shared.local_host.event_grid_webhook import PATH as EVENT_GRID_PATH
from shared.local_host.topic_endpoint import TOPIC_PATH, add_topic_routes
from shared.local_host.up import EVENT_TYPES, TOPICS
from shared.ports import Subscription
from tests.azurite import AzuriteServer, start_azurite
from tests.doubles import faults
from tests.doubles.cosmos import CosmosDouble
from tests.doubles.delegated_sas import DelegatedSas
from tests.doubles.faults import FaultyProxy, Rates
from tests.doubles.tls import TlsFiles, tls_files
from tests.doubles.tokens import TokenDouble
from tests.doubles.webhook_receiver import serving
from tests.plane import blob_created
from tests.scenarios.azure_platform import Platform, platform
from tests.scenarios.fleet import Fleet, fleet_in

DATABASE = "slipway"
CLIENT_ID = "2c4f6a8e-0000-4000-8000-1a2b3c4d5e6f"
CONTAINERS = ("uploads", "staging", "config", "policies", "artifacts", "collected")
QUEUES = ("reconcile", "reconcile-poison", "reconcile-poison-poison")
EVENT_GRID = "https://eventgrid.azure.net"
STORAGE = "https://storage.azure.com"
COSMOS = "https://127.0.0.1"  # of an account: https://ACCOUNT.documents.azure.com
NONE = Rates()


@dataclass
class AzureFleet:
    """The services and the instances on them."""

    fleet: Fleet
    azurite: AzuriteServer
    cosmos: CosmosDouble
    tokens: TokenDouble
    grid: LocalEventGrid
    proxies: dict[str, FaultyProxy]  # blob, queue, cosmos, topic, arm, cluster, entra
    platform: Platform
    blobs: Any  # a BlobServiceClient that meets no faults

    async def drop(self, path: str, content: bytes) -> None:
        """What a person does who copies a file into the upload container; Event Grid hears of it."""
        await self.blobs.get_blob_client("uploads", path).upload_blob(content, overwrite=True)
        await self.grid.enqueue("storage", [from_wire(blob_created(path, f"dropped-{path}"))])

    async def names_in(self, container: str) -> list[str]:
        """The blobs of a container."""
        return [blob.name async for blob in self.blobs.get_container_client(container).list_blobs()]

    def job_logs(self) -> list[str]:
        """What the jobs that are kept printed."""
        jobs = self.platform.kubernetes.jobs
        assert jobs is not None
        return [path.read_text(errors="replace") for path in sorted(jobs.folder.glob("*/*log*"))]

    async def subscribe(self, name: str, url: str) -> None:
        """Send every event of Slipway's topic to a webhook."""
        made = await LocalEventSubscriptions(self.grid).put(Subscription(name, url), signing_secret=None)
        assert made.state == "Succeeded"

    def met(self) -> dict[str, int]:
        """How many faults of each kind there were, of all services."""
        counts: dict[str, int] = {}
        for service, proxy in self.proxies.items():
            counts |= {f"{service} {kind}": count for kind, count in sorted(proxy.met.items())}
        return counts


@asynccontextmanager
async def azure_fleet(folder: Path, seed: int, rates: Rates = NONE, **environ: str) -> AsyncIterator[AzureFleet]:
    """All services, and no instance yet."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, tls, tokens = random.Random(seed), tls_files(folder), TokenDouble(CLIENT_ID)
    async with AsyncExitStack() as parts:
        azurite = await asyncio.to_thread(start_azurite, folder / "azurite", tls=tls)
        parts.callback(azurite.stop)
        cosmos = await parts.enter_async_context(CosmosDouble())
        await ensure_container(cosmos.endpoint, DATABASE, cosmos.key)
        cosmos.takes_token = lambda token: tokens.is_for(token, COSMOS)
        grid = open_event_grid(folder / "eventgrid.db")
        parts.push_async_callback(grid.close)
        topic_url = await parts.enter_async_context(serving(_topic(grid, tokens)))
        await parts.enter_async_context(tokens.listening())
        builds = await parts.enter_async_context(platform(folder, tls, tokens, rates, rng))
        proxies = await _proxies(azurite, cosmos, topic_url, rates, rng, tls, parts)
        blobs = await parts.enter_async_context(_blobs(azurite, tls))
        await _make_queues(azurite, tls)
        settings = _settings(proxies, azurite.account, tls) | builds.environ | tokens.environ | environ
        proxies |= {"arm": builds.arm, "cluster": builds.cluster, "entra": builds.entra}
        fleet = await parts.enter_async_context(fleet_in(folder / "fleet", rng, **settings))
        await parts.enter_async_context(_delivering(grid, fleet, folder))
        yield AzureFleet(fleet, azurite, cosmos, tokens, grid, proxies, builds, blobs)


def _topic(grid: LocalEventGrid, tokens: TokenDouble) -> web.Application:
    """The custom topic, for identities alone: local authentication is off, as Bicep has it."""
    key = "never-given-to-anybody"

    @web.middleware
    async def with_token(request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if "aeg-sas-key" in request.headers or scheme != "Bearer" or not tokens.is_for(token, EVENT_GRID):
            return web.Response(status=401)
        return await handler(request.clone(headers={**request.headers, "aeg-sas-key": key}))

    app = web.Application(middlewares=[with_token])
    add_topic_routes(app, grid, key)
    return app


async def _proxies(
    azurite: AzuriteServer,
    cosmos: CosmosDouble,
    topic_url: str,
    rates: Rates,
    rng: random.Random,
    tls: TlsFiles,
    parts: AsyncExitStack,
) -> dict[str, FaultyProxy]:
    storage = faults.storage_throttle, faults.storage_precondition
    upstreams = {
        "blob": (azurite.blob_url.rpartition("/")[0], *storage),
        "queue": (azurite.queue_url.rpartition("/")[0], *storage),
        "cosmos": (cosmos.endpoint.rstrip("/"), faults.cosmos_throttle, faults.cosmos_precondition),
        "topic": (topic_url, faults.event_grid_throttle, faults.never),
    }
    proxies = {}
    for name, (upstream, throttle, precondition) in upstreams.items():
        proxies[name] = FaultyProxy(upstream, rates, rng, tls, throttle, precondition)
        await parts.enter_async_context(proxies[name].listening())
    proxies["blob"].delegated = DelegatedSas(azurite.account, azurite.key)
    cosmos.endpoint = proxies["cosmos"].url + "/"  # where its clients go on to
    return proxies


def _settings(proxies: dict[str, FaultyProxy], account: str, tls: TlsFiles) -> dict[str, str]:
    queue_url = f"{proxies['queue'].url}/{account}"
    return {
        "SLIPWAY_MODE": "azure",
        "SLIPWAY_COSMOS_ENDPOINT": proxies["cosmos"].url,
        "SLIPWAY_COSMOS_DATABASE": DATABASE,
        "SLIPWAY_BLOB_ACCOUNT_URL": f"{proxies['blob'].url}/{account}",
        "SLIPWAY_QUEUE_ACCOUNT_URL": queue_url,
        "SLIPWAY_QUEUE__queueServiceUri": queue_url,
        "SLIPWAY_EVENTGRID_ENDPOINT": proxies["topic"].url + TOPIC_PATH,
        "SLIPWAY_MANAGED_IDENTITY_CLIENT_ID": CLIENT_ID,
        "SLIPWAY_WORK_QUEUE": QUEUES[0],
        "SSL_CERT_FILE": str(tls.certificate),
    }


@asynccontextmanager
async def _blobs(azurite: AzuriteServer, tls: TlsFiles) -> AsyncIterator[Any]:
    trusted = {"connection_verify": str(tls.certificate)}
    async with open_blob_service(azurite.blob_url, azurite.connection_string, **trusted) as service:
        for name in CONTAINERS:
            await service.create_container(name)
        yield service


async def _make_queues(azurite: AzuriteServer, tls: TlsFiles) -> None:
    from azure.storage.queue.aio import QueueServiceClient

    trusted = {"connection_verify": str(tls.certificate)}
    async with QueueServiceClient.from_connection_string(azurite.connection_string, **trusted) as service:
        for name in QUEUES:
            await service.create_queue(name)


@asynccontextmanager
async def _delivering(grid: LocalEventGrid, fleet: Fleet, folder: Path) -> AsyncIterator[None]:
    functions = f"{fleet.front_end.url}{EVENT_GRID_PATH}?code={fleet.secrets.eventgrid_key}&functionName="
    system = [SystemSubscription(TOPICS[name], name, functions + name, EVENT_TYPES[name]) for name in TOPICS]
    delivery = EventDelivery(
        grid, SystemClock(), system=system, dead_letter_dir=folder / "dead-letter", backoff_scale=0.02
    )
    await delivery.register()
    await grid.subscriptions.announce(fleet.front_end.url)
    task = asyncio.create_task(delivery.run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
