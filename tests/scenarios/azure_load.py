"""People who push and drop models on an Azure fleet, and what has to hold afterwards."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from shared.events.types import MODEL_REGISTERED
from tests.scenarios.azure_fleet import AzureFleet
from tests.scenarios.local_host import wait_until
from tests.scenarios.receiver import Receiver
from tests.scenarios.rest import create_upload, listed, register, send, sha256, versions_of

MODELS = 20  # of each way


def outside(azure: AzureFleet) -> aiohttp.ClientSession:
    """A client of signed URLs, with no key or token."""
    context = azure.proxies["blob"].tls.client_context()
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


async def push_and_drop(azure: AzureFleet, rng: random.Random, models: int = MODELS) -> dict[str, set[str]]:
    """People push and drop models at once; the SHA-256 of what was accepted, by model."""
    promises: dict[str, set[str]] = {"pushed": set(), "dropped": set()}
    async with azure.fleet.client() as http, outside(azure) as web:

        async def push(number: int) -> None:
            content = f"pushed {number}".encode() * rng.choice((1, 100_000))
            session = await persistently(lambda: create_upload(http, "model.onnx"))
            await persistently(lambda: send(web, session["files"][0], content))
            body = {"upload_id": session["upload_id"], "model": {"name": "pushed", "path": "model.onnx"}}
            status, version = await persistently(lambda: register(http, body))
            async with asyncio.timeout(240):
                while status == 202:  # a fault: it says that it waits, and to ask again does no harm
                    await asyncio.sleep(0.5)
                    status, version = await persistently(lambda: register(http, body))
            assert status in (200, 201), version
            assert version["files"][0]["sha256"] == sha256(content)
            promises["pushed"].add(sha256(content))

        async def drop(number: int) -> None:
            content = f"dropped {number}".encode()
            files = [("model.yml", b"name: dropped\npath: model.onnx\n"), ("model.onnx", content)]
            rng.shuffle(files)
            for name, each in files:
                await asyncio.sleep(rng.uniform(0, 2))
                await azure.drop(f"folder-{number}/{name}", each)
            promises["dropped"].add(sha256(content))

        await asyncio.gather(*map(push, range(models)), *map(drop, range(models)))
    return promises


async def persistently(step: Callable[[], Awaitable[Any]]) -> Any:
    """Try again as a client does: when the connection breaks, and when the service says that it failed."""
    async with asyncio.timeout(240):
        while True:
            try:
                return await step()
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
                await asyncio.sleep(0.2)
            except AssertionError as error:  # of tests.scenarios.rest, which knows no other answers
                if not re.search(r"\b(429|500|503)\b", str(error)):
                    raise
                await asyncio.sleep(0.5)


async def check_world(azure: AzureFleet, receiver: Receiver, promises: dict[str, set[str]]) -> None:
    """Every model is one version, numbered without a gap, announced under one id; nothing is left or put aside."""
    async with azure.fleet.client() as http:

        async def shas(name: str) -> list[str]:
            return sorted(
                version["files"][0]["sha256"] for version in await persistently(lambda: versions_of(http, name))
            )

        async def all_there() -> bool:
            return all([len(await shas(name)) >= len(wanted) for name, wanted in promises.items()])

        await wait_until(all_there, 400, "everything is registered", poll_s=0.5)
        for name, wanted in promises.items():
            assert await shas(name) == sorted(wanted)
        expected = sorted((name, number + 1) for name, wanted in promises.items() for number in range(len(wanted)))
        await wait_until(lambda: receiver.registered == expected, 200, "everything is announced", poll_s=0.25)
        ids = {(each["subject"], each["id"]) for each in receiver.accepted if each["eventType"] == MODEL_REGISTERED}
        assert len(ids) == len(expected)

        async def clean() -> bool:
            return not await azure.names_in("uploads")

        await wait_until(clean, 400, "the upload container is clean", poll_s=0.5)

        async def completed() -> bool:
            uploads = await persistently(lambda: listed(http, "/api/uploads"))
            return {upload["phase"] for upload in uploads} == {"Completed"}

        await wait_until(completed, 400, "every upload is completed", poll_s=0.5)
