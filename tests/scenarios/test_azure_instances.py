"""The function app with the settings of Azure, as processes against emulators and doubles over TLS, by an identity."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from shared.events.types import MODEL_REGISTERED
from tests.doubles.faults import Rates
from tests.scenarios.azure_fleet import COSMOS, EVENT_GRID, STORAGE, AzureFleet, azure_fleet
from tests.scenarios.local_host import wait_until
from tests.scenarios.receiver import Receiver, receiving
from tests.scenarios.rest import create_upload, listed, numbers, register, send, sha256, versions_of
from tests.scenarios.test_instances import LEAN, seed_of_this_run

MODELS = 20  # of each way
FAULTS = Rates(reset_before=0.02, reset_after=0.02, hang=0.01, server_error=0.02, throttled=0.02, precondition=0.02)
LOUD_FAULTS = Rates(reset_before=0.04, reset_after=0.04, server_error=0.06, throttled=0.06, precondition=0.06)
QUICK = {**LEAN, "SLIPWAY_UPLOAD_SETTLE_S": "0.2", "SLIPWAY_OUTBOX_GRACE_S": "2"}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_identity_gets_tokens_for_the_services_and_uploads_become_versions(tmp_path: Path) -> None:
    async with azure_fleet(tmp_path, seed_of_this_run(), **QUICK) as azure, receiving() as receiver:
        await azure.fleet.start("one")
        await azure.subscribe("all", receiver.url)
        async with azure.fleet.client() as http, outside(azure) as web:
            content = bytes(range(256)) * 40_000  # more than one request of the SDK
            session = await create_upload(http, "model.onnx")
            assert "skoid=" in session["files"][0]["url"], "signed by a user delegation key"
            await send(web, session["files"][0], content)
            body = {"upload_id": session["upload_id"], "model": {"name": "sent", "path": "model.onnx"}}
            status, version = await register(http, body)
            assert status == 201, version
            assert version["files"][0]["sha256"] == sha256(content)

            await azure.drop("a/model.yml", b"name: dropped\npath: model.onnx\n")
            await azure.drop("a/model.onnx", b"a dropped model")
            wanted = [("dropped", 1), ("sent", 1)]
            await wait_until(lambda: receiver.registered == wanted, 120, "both are registered and announced")
            assert numbers(await versions_of(http, "dropped")) == [1]
        assert set(azure.tokens.asked) == {COSMOS, STORAGE, EVENT_GRID}
        assert azure.tokens.refused == []
        assert {event["eventType"] for event in receiver.accepted} >= {MODEL_REGISTERED}


def outside(azure: AzureFleet) -> aiohttp.ClientSession:
    """A client of signed URLs, with no key or token."""
    context = azure.proxies["blob"].tls.client_context()
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_faults_of_every_service_lose_and_double_nothing(tmp_path: Path) -> None:
    """Of all requests to Blob Storage, queues, Cosmos DB and Event Grid, 11 % meet a fault (FAULTS)."""
    seed = seed_of_this_run()
    async with azure_fleet(tmp_path, seed, FAULTS, **QUICK) as azure, receiving() as receiver:
        await azure.fleet.start("one", "two")
        await azure.subscribe("all", receiver.url)
        promises = await push_and_drop(azure, random.Random(seed))
        await check_world(azure, receiver, promises)
        print(azure.met())
        assert len(azure.met()) > 15, "the faults came"


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_four_instances_of_which_some_are_killed_lose_and_double_nothing(tmp_path: Path) -> None:
    """Timers strike everywhere at once, and two of four are killed while all work."""
    seed = seed_of_this_run()
    async with azure_fleet(tmp_path, seed, **QUICK) as azure, receiving() as receiver:
        await azure.fleet.start("one", "two", "three", "four")
        await azure.subscribe("all", receiver.url)
        working = asyncio.create_task(push_and_drop(azure, random.Random(seed)))
        for victim in ("two", "four"):
            await asyncio.sleep(3)
            await azure.fleet.run_timer("sweep_outbox")
            await azure.fleet.run_timer("look_again")
            azure.fleet.kill(victim)
        await azure.fleet.start("five")
        await check_world(azure, receiver, await working)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_secret_is_in_anything_that_is_said_or_kept(tmp_path: Path) -> None:
    """With every fault at a high rate, so that errors are told, and the logs of everything at their most talkative."""
    seed = seed_of_this_run()
    planted = {f"SLIPWAY_GIT_{kind}_MAIN": f"planted-{kind.lower()}-{'x' * 20}" for kind in ("TOKEN", "SECRET")}
    async with azure_fleet(tmp_path, seed, LOUD_FAULTS, **QUICK, **planted, LOG_LEVEL="DEBUG") as azure:
        for proxy in azure.proxies.values():
            proxy.kept = []
        async with receiving() as receiver:
            await azure.fleet.start("one")
            await azure.subscribe("all", receiver.url)
            answers = await provoke_errors(azure)
            promises = await push_and_drop(azure, random.Random(seed), models=5)
            await check_world(azure, receiver, promises)
            events = json.dumps(receiver.accepted)
        secrets = secrets_of(azure) | set(planted.values())
        said = {path.name: path.read_text(errors="replace") for path in azure.fleet.logs}
        documents = azure.cosmos.container("slipway", "resources").documents(None)
        said |= {"events": events, "answers": answers, "documents": json.dumps(documents)}
        said |= {name: b"\n".join(proxy.kept or []).decode(errors="replace") for name, proxy in azure.proxies.items()}
        assert len(said["one.log"]) > 100_000, "the log is talkative"
        assert len(secrets) > 10
        found = {(where, secret[:12]) for where, text in said.items() for secret in secrets if secret in text}
        assert found == set()


def secrets_of(azure: AzureFleet) -> set[str]:
    """What opens something: keys of the host, of the accounts, of the platform, tokens, and signatures of URLs."""
    own = azure.fleet.secrets
    keys = {own.master_key, *own.host_keys.values(), own.eventgrid_key, own.topic_key, own.url_signing_key}
    tokens = {token.rpartition(".")[2] for token in azure.tokens.issued} | set(azure.tokens.issued)
    delegated = azure.proxies["blob"].delegated
    assert delegated is not None
    signatures = delegated.signatures | {quote(each, safe="") for each in delegated.signatures}
    return keys | tokens | signatures | {azure.tokens.header, azure.azurite.key, azure.cosmos.key}


async def provoke_errors(azure: AzureFleet) -> str:
    """Requests with right and wrong keys to what is not there, and the answers."""
    asked = ("/api/models/none/versions/1", "/api/uploads/u-none", "/api/resources/nothing/x", "/api/images/none")
    texts = []
    async with azure.fleet.client() as http:
        for path in asked:
            for query in ({}, {"code": azure.fleet.secrets.host_keys["default"]}, {"code": "wrong"}):
                async with http.get(path, params=query) as answer:
                    texts.append(await answer.text())
        async with http.post("/api/apply", data=b"{" + azure.fleet.secrets.master_key.encode()) as answer:
            texts.append(str(answer.status))
    return "\n".join(texts)


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
        uploads = await persistently(lambda: listed(http, "/api/uploads"))
        assert {upload["phase"] for upload in uploads} == {"Completed"}
