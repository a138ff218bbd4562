"""The stores that the contract of ResourceStore is checked against: SQLite, the Cosmos DB double, a real Cosmos DB."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from shared.adapters.azure.resource_store import CosmosResourceStore, ensure_container, open_cosmos_store
from shared.adapters.local.resource_store import SqliteResourceStore, open_resource_store
from tests.doubles.cosmos import CosmosDouble

Store = SqliteResourceStore | CosmosResourceStore
ENDPOINT, KEY = (os.environ.get(f"SLIPWAY_TEST_COSMOS_{name}", "") for name in ("ENDPOINT", "KEY"))
ADAPTERS = ("sqlite", "cosmos-double", *(("cosmos",) if ENDPOINT and KEY else ()))
DATABASE = "slipway-test"


@asynccontextmanager
async def opened(adapter: str, folder: Path) -> AsyncIterator[Callable[[], Store]]:
    """Makes clients of one new, empty store; closes them and the store at the end."""
    async with _place(adapter, folder) as make:
        stores: list[Store] = []

        def client() -> Store:
            stores.append(make())
            return stores[-1]

        try:
            yield client
        finally:
            for store in stores:
                await store.close()


@asynccontextmanager
async def _place(adapter: str, folder: Path) -> AsyncIterator[Callable[[], Store]]:
    if adapter == "sqlite":
        yield lambda: open_resource_store(folder / "resources.db")
    elif adapter == "cosmos-double":
        async with CosmosDouble() as double:
            await ensure_container(double.endpoint, DATABASE, double.key)
            yield lambda: open_cosmos_store(double.endpoint, DATABASE, double.key)
    else:
        container = f"test-{uuid.uuid4().hex}"
        await ensure_container(ENDPOINT, DATABASE, KEY, container)
        try:
            yield lambda: open_cosmos_store(ENDPOINT, DATABASE, KEY, container)
        finally:
            await _delete_container(container)


async def _delete_container(container: str) -> None:
    from azure.cosmos.aio import CosmosClient

    async with CosmosClient(ENDPOINT, KEY) as client:
        await client.get_database_client(DATABASE).delete_container(container)
