"""The function app with the settings of Azure, as processes against emulators and doubles over TLS, by an identity."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from shared.deployment_targets.kubernetes.names import object_name
from shared.events.types import MODEL_REGISTERED
from tests.doubles.cosmos.charges import Throughput
from tests.doubles.faults import Rates
from tests.doubles.tokens import AKS
from tests.scenarios.azure_fleet import COSMOS, EVENT_GRID, STORAGE, AzureFleet, azure_fleet
from tests.scenarios.azure_load import check_world, outside, persistently, push_and_drop
from tests.scenarios.local_host import wait_until
from tests.scenarios.receiver import receiving
from tests.scenarios.rest import create_upload, document, get, numbers, register, send, sha256, versions_of
from tests.scenarios.test_instances import LEAN, seed_of_this_run

RU_PER_S = 400
FAULTS = Rates(reset_before=0.02, reset_after=0.02, hang=0.01, server_error=0.02, throttled=0.02, precondition=0.02)
LOUD_FAULTS = Rates(reset_before=0.02, reset_after=0.02, server_error=0.04, throttled=0.04, precondition=0.04)
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/"
DECLARED = {
    "environment.yml": f"{SCHEMA}environment.schema.json\nname: serve\nimage: mcr.example/base:1\npip: [alpha]\n",
    "endpoint.yml": f"{SCHEMA}kubernetesOnlineEndpoint.schema.json\nname: live\ncompute: azureml:k8s\n"
    "auth_mode: key\ntraffic: {blue: 100}\n",
    "blue.yml": f"{SCHEMA}kubernetesOnlineDeployment.schema.json\nname: blue\ntype: kubernetes\nendpoint_name: live\n"
    "model: azureml:pushed@latest\nenvironment: azureml:serve@latest\n",
}
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
async def test_a_pushed_model_is_packaged_and_deployed_with_faults_on_the_way(tmp_path: Path) -> None:
    """Upload, registration, environment and image by ACR Tasks, endpoint on a cluster: each once."""
    seed = seed_of_this_run()
    async with azure_fleet(tmp_path, seed, FAULTS, **QUICK) as azure, receiving() as receiver:
        await azure.fleet.start("one", "two")
        await azure.subscribe("all", receiver.url)
        promises = await push_and_drop(azure, random.Random(seed), models=1)
        async with azure.fleet.client() as http:
            files = [{"path": path, "text": text} for path, text in DECLARED.items()]
            body = {"files": files, "provenance": {"source": "models"}}
            applied = await persistently(lambda: applied_by(http, body))
            assert {file["result"] for file in applied["files"]} <= {"created", "unchanged"}, applied

            async def deployed() -> bool:
                endpoint = await persistently(lambda: get(http, "/api/endpoints/live"))
                return [each["provisioning_state"] for each in endpoint["deployments"]] == ["Succeeded"]

            try:
                await wait_until(deployed, 400, "it is deployed", poll_s=1)
            except AssertionError:
                print(await get(http, "/api/endpoints/live"), await get(http, "/api/images"))
                raise
        runs = [run for run in azure.platform.acr.runs.values() if run.ended == "Succeeded"]
        names = {run.asked["imageNames"][0] for run in runs}
        repositories = sorted(name.partition(":")[0] for name in names)
        # A run whose answer was lost is asked for again, and makes the same image.
        assert repositories == ["slipway/environments", "slipway/models"]
        (container,) = azure.platform.kubernetes.one("deployments", object_name("live", "blue"))["spec"]["template"][
            "spec"
        ]["containers"]
        assert container["image"].startswith("slipway.azurecr.io/slipway/models@sha256:")
        assert azure.platform.resource in azure.tokens.asked
        assert set(azure.tokens.asked) == {COSMOS, STORAGE, EVENT_GRID, azure.platform.resource, AKS}
        await check_world(azure, receiver, promises)
        types = {event["eventType"] for event in receiver.accepted}
        assert "Microsoft.MachineLearningServices.ModelDeployed" in types


async def applied_by(http: aiohttp.ClientSession, body: dict[str, Any]) -> dict[str, Any]:
    """What became of declared files."""
    async with http.post("/api/apply", json=body) as answer:
        done: dict[str, Any] = await document(answer, 200)
    return done


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
@pytest.mark.timeout(900)
async def test_a_load_beyond_the_throughput_is_told_to_come_again_and_all_of_it_gets_through(tmp_path: Path) -> None:
    """Every answer takes 5 to 40 ms, and Cosmos DB has 400 RU/s, some tenth of what this load could use."""
    seed = seed_of_this_run()
    async with azure_fleet(tmp_path, seed, **QUICK) as azure, receiving() as receiver:
        for proxy in azure.proxies.values():
            proxy.latency_s = (0.005, 0.040)
        azure.cosmos.throughput = Throughput(RU_PER_S)
        await azure.fleet.start("one", "two")
        await azure.subscribe("all", receiver.url)
        began = time.monotonic()
        promises = await push_and_drop(azure, random.Random(seed), models=60)
        await check_world(azure, receiver, promises)
        elapsed_s = time.monotonic() - began
        asked, throttled = azure.cosmos.requests.total(), azure.cosmos.throttled
        used_ru = sum(azure.cosmos.request_units.values())
        print(f"{used_ru:.0f} RU in {elapsed_s:.0f} s; {throttled} of {asked} requests were told to come again")
        assert throttled > 0, "it was more than the throughput"
        assert throttled < asked / 2, "who was told to come again did not ask at once, over and over"
        assert used_ru <= RU_PER_S * (elapsed_s + 2), "the throughput was kept"


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
        assert len(said["one.log"]) > 5_000, "the log is talkative"
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
