"""What operations cost on Azure: requests to each service and estimated request units, counted by the doubles.

The counts are exact and the same on every machine. Request units follow tests/doubles/cosmos/charges.py.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from shared.adapters.azure.cosmos_documents import resource_document
from shared.leases import LeaseStatus
from shared.resources.base import Resource, ResourceKey
from tests.benchmarks.report import ROOT, Result, Table
from tests.scenarios.azure_fleet import AzureFleet, azure_fleet
from tests.scenarios.local_host import wait_until
from tests.scenarios.rest import create_upload, get, listed, register, send, versions_of

WRITES = ("batch", "item.create", "item.upsert", "item.replace", "item.patch", "item.delete")
COLUMNS = (
    "Operation",
    "reads",
    "queries",
    "writes (documents)",
    "RU",
    "Blob writes",
    "Blob reads",
    "Queue",
    "Event Grid",
)
NOTE = (
    "Medians of what one operation takes. Reads, queries and writes are requests to Cosmos DB. Of a queue message its "
    "sending and its deletion are counted. RU: estimated by the rules of `tests/doubles/cosmos/charges.py`."
)
SETTINGS = {"SLIPWAY_INSPECT_MAX_BYTES": "0", "SLIPWAY_UPLOAD_SETTLE_S": "0.2"}
FURTHER = ("blob_writes", "blob_reads", "queue", "topic")
TIMERS = ("sweep_outbox", "look_again")
PASSES = 7


@dataclass(frozen=True)
class Usage:
    """What was asked of the services."""

    reads: int
    queries: int
    writes: int
    documents: int
    ru: float
    blob_writes: int
    blob_reads: int
    queue: int
    topic: int

    @classmethod
    def now(cls, azure: AzureFleet) -> Usage:
        """Since the start."""
        cosmos, proxies = azure.cosmos, azure.proxies
        return cls(
            cosmos.requests["item.read"],
            cosmos.requests["query"],
            sum(cosmos.requests[name] for name in WRITES),
            sum(cosmos.documents[name] for name in WRITES),
            sum(cosmos.request_units.values()),
            proxies["blob"].methods["PUT"],
            proxies["blob"].methods["GET"] + proxies["blob"].methods["HEAD"],
            proxies["queue"].methods["POST"] + proxies["queue"].methods["DELETE"],
            proxies["topic"].methods.total(),
        )

    def since(self, before: Usage) -> Usage:
        """The difference."""
        return Usage(*(new - old for new, old in zip(vars_of(self), vars_of(before), strict=True)))


def vars_of(usage: Usage) -> list[Any]:
    return list(vars(usage).values())


async def measure(quick: bool) -> Result:
    """One instance; each operation several times, alone."""
    passes = 2 if quick else PASSES
    with tempfile.TemporaryDirectory() as folder:
        async with azure_fleet(Path(folder), 1, **SETTINGS) as azure:
            await keep_timers_away(azure)
            await azure.fleet.start("one")
            async with azure.fleet.client() as http, blob_client(azure) as web:
                usages = {}
                for name, operate in Operations(azure, http, web).by_name().items():
                    usages[name] = [await usage_of(azure, operate, number) for number in range(passes)]
    table = Table(
        "What operations ask of the services", COLUMNS, [row(name, each) for name, each in usages.items()], NOTE
    )
    samples = {name: [vars(one) for one in each] for name, each in usages.items()}
    return Result("scale", [table], samples, document=ROOT / "docs" / "scale.md")


async def usage_of(azure: AzureFleet, operate: Callable[[int], Awaitable[object]], number: int) -> Usage:
    """What one operation took, with what it set off."""
    before = Usage.now(azure)
    await operate(number)
    last = before
    while (now := Usage.now(azure)) != last:
        last = now
        await quiet()
    return last.since(before)


async def quiet() -> None:
    """Long enough for a message that was sent to be taken."""
    await asyncio.sleep(1.5)


def row(name: str, usages: list[Usage]) -> tuple[str, ...]:
    def middle(field: str) -> float:
        return statistics.median(getattr(each, field) for each in usages)

    counted = [f"{middle(field):.0f}" for field in ("reads", "queries")]
    written = f"{middle('writes'):.0f} ({middle('documents'):.0f})"
    return (name, *counted, written, f"{middle('ru'):.0f}", *(f"{middle(f):.0f}" for f in FURTHER))


async def keep_timers_away(azure: AzureFleet) -> None:
    """Another instance has the leases of the timers for hours, so that they do not strike between."""
    container = azure.cosmos.container("slipway", "resources")
    for name in TIMERS:
        key = ResourceKey("lease", name)
        container.create(f'["{key.partition}"]', lease_document(key))


def lease_document(key: ResourceKey) -> dict[str, Any]:
    now = datetime.now(UTC)
    status = LeaseStatus(holder="nobody", expires_at=now + timedelta(hours=6)).model_dump(mode="json")
    return resource_document(
        Resource(
            kind=key.kind,
            name=key.name,
            spec={},
            status=status,
            revision=1,
            **{"created_at": now, "created_by": "nobody", "modified_at": now, "modified_by": "nobody"},
        )
    )


def blob_client(azure: AzureFleet) -> aiohttp.ClientSession:
    context = azure.proxies["blob"].tls.client_context()
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


@dataclass(frozen=True)
class Operations:
    """What people and other programs do; each takes the number of its pass."""

    azure: AzureFleet
    http: aiohttp.ClientSession
    web: aiohttp.ClientSession

    def by_name(self) -> dict[str, Callable[[int], Awaitable[object]]]:
        """By their names in the table."""
        http = self.http
        return {
            "register one file by REST (3 requests)": self.push,
            "register a dropped folder of 2 files": self.drop,
            "get a version": lambda _: get(http, "/api/models/m/versions/1"),
            "list the versions of a model": lambda _: listed(http, "/api/models/m/versions"),
            "list models": lambda _: listed(http, "/api/models"),
            "search by a tag": lambda _: get(http, "/api/models/m/versions", tag="owner=me"),
            "change a tag (read and patch)": self.tag,
            "apply a changed file": self.apply,
            "apply an unchanged file": lambda _: self.apply(PASSES),
            "timers of a minute in one instance, nothing to do": lambda _: minute(self.azure),
        }

    async def push(self, number: int) -> None:
        session = await create_upload(self.http, "model.onnx")
        await send(self.web, session["files"][0], f"model {number}".encode())
        model = {"name": "m", "path": "model.onnx", "tags": {"owner": "me"}}
        status, version = await register(self.http, {"upload_id": session["upload_id"], "model": model})
        assert status == 201, version

    async def drop(self, number: int) -> None:
        await self.azure.drop(f"d-{number}/model.yml", b"name: d\npath: model.onnx\n")
        await self.azure.drop(f"d-{number}/model.onnx", f"dropped {number}".encode())

        async def registered() -> bool:
            return len(await versions_of(self.http, "d")) > number and not await self.azure.names_in("uploads")

        before = Usage.now(self.azure)
        while self.azure.proxies["topic"].methods.total() == before.topic:  # it is announced when it is registered
            await quiet()
        await wait_until(registered, 60, "the drop is registered")

    async def tag(self, number: int) -> None:
        path = "/api/models/m/versions/1"
        async with self.http.get(path) as found:
            etag = found.headers["ETag"]
        async with self.http.patch(path, json={"tags": {"n": str(number)}}, headers={"If-Match": etag}) as done:
            assert done.status == 200, await done.text()

    async def apply(self, version: int) -> None:
        schema = "https://azuremlschemas.azureedge.net/latest/environment.schema.json"
        text = f"$schema: {schema}\nname: e\nimage: python:3.11-slim\ntags: {{n: '{version}'}}\n"
        body = {"files": [{"path": "e.yml", "text": text}], "provenance": {"source": "models"}}
        async with self.http.post("/api/apply", json=body) as done:
            assert done.status == 200, await done.text()


async def minute(azure: AzureFleet) -> None:
    """Four sweeps and two looks, by who has the leases."""
    container = azure.cosmos.container("slipway", "resources")
    for name in TIMERS:
        key = ResourceKey("lease", name)
        if (found := container.read(f'["{key.partition}"]', key.document_id))["body"]["status"]["holder"] == "nobody":
            container.delete(f'["{key.partition}"]', key.document_id, found["_etag"])
    for name in ("sweep_outbox",) * 4 + ("look_again",) * 2:
        await azure.fleet.run_timer(name)
        await quiet()
