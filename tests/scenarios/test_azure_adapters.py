"""What users do, on the Azure adapters: the same control plane that the other scenarios run on one machine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.bootstrap import ControlPlane
from shared.events.types import MODEL_REGISTERED
from tests.azurite import AzuriteServer, azurite
from tests.plane import blob_created
from tests.scenarios.azure_world import World, azure_world, call
from tests.scenarios.local_host import wait_until
from tests.scenarios.rest import numbers, sha256

__all__ = ["azurite"]  # fixture

SEED = 20261123


@pytest.fixture
async def world(azurite: AzuriteServer, tmp_path: Path) -> AsyncIterator[World]:
    async with azure_world(azurite, tmp_path) as made:
        yield made


async def push(plane: ControlPlane, name: str, content: bytes, **model: Any) -> dict[str, Any]:
    """Upload one file by its signed URL and register it; the version."""
    session = (await call(plane, "create_upload", body={"files": [{"path": "model.onnx"}]})).document
    (target,) = session["files"]
    async with httpx.AsyncClient() as http:
        put = await http.put(target["url"], content=content, headers=target["headers"])
        assert put.status_code == 201, put.text
    declared = {"name": name, "path": "model.onnx", **model}
    made = await call(plane, "register_model", body={"upload_id": session["upload_id"], "model": declared})
    assert made.status == 201, made.document
    document: dict[str, Any] = made.document
    return document


async def versions_of(plane: ControlPlane, name: str) -> list[dict[str, Any]]:
    """All versions; [] when there is no such model."""
    found = await call(plane, "list_model_versions", name=name, query={"limit": "1000"})
    items: list[dict[str, Any]] = [] if found.status == 404 else found.document["items"]
    return items


async def download(plane: ControlPlane, version: dict[str, Any]) -> bytes:
    """The version's one file, by the URL that the API answers with."""
    (file,) = version["files"]
    found = await call(
        plane, "download_model_file", name=version["name"], version=version["version"], path=file["path"]
    )
    assert found.status == 302
    async with httpx.AsyncClient() as http:
        got = await http.get(found.headers["Location"])
        assert got.status_code == 200, got.text
    return got.content


async def test_health_tells_which_service_does_not_answer(world: World) -> None:
    found = await call(world.plane, "health")
    assert (found.status, found.document["checks"]) == (200, {"store": "ok", "files": "ok"})
    world.cosmos.fail_next(503, times=100, headers={"x-ms-retry-after-ms": "1"}, operations=frozenset({"item.read"}))
    found = await call(world.plane, "health")
    assert (found.status, found.document["status"]) == (503, "Unhealthy")
    assert found.document["checks"]["files"] == "ok"
    assert found.document["checks"]["store"] != "ok"


async def blobs_in(world: World, container: str) -> list[str]:
    return [blob.name async for blob in world.blobs.service.get_container_client(container).list_blobs()]


async def test_blobs_that_come_in_any_order_with_repeated_events_become_one_version_each(world: World) -> None:
    rng = random.Random(SEED)
    uploads = {f"team/upload-{number}": f"model {number}".encode() for number in range(8)}
    arrivals = [(f"{folder}/model.onnx", content) for folder, content in uploads.items()]
    arrivals += [(f"{folder}/model.yml", b"name: dropped\npath: model.onnx\n") for folder in uploads]
    rng.shuffle(arrivals)
    events = []
    for path, content in arrivals:
        await world.blobs.drop("uploads", path, content)
        events += [blob_created(path, f"event-{path}")] * rng.choice((1, 2))
        await asyncio.gather(*(plane.storage_event(events[-1]) for plane in world.planes))
    rng.shuffle(events)
    await asyncio.gather(*(rng.choice(world.planes).storage_event(event) for event in events))

    versions = await versions_of(world.plane, "dropped")
    assert numbers(versions) == list(range(1, len(uploads) + 1))
    assert sorted(v["files"][0]["sha256"] for v in versions) == sorted(sha256(each) for each in uploads.values())

    async def is_clean() -> bool:
        return await blobs_in(world, "uploads") == []

    await wait_until(is_clean, 60, "the upload container is clean")
    await wait_until(lambda: len(set(world.topic.ids(MODEL_REGISTERED))) == len(uploads), 60, "every event arrives")
    phases = {upload["phase"] for upload in (await call(world.plane, "list_uploads")).document["items"]}
    assert phases == {"Completed"}


async def test_what_was_sent_by_a_signed_url_comes_back_by_one(world: World) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB: more than one request of the SDK
    version = await push(world.plane, "signed", content, tags={"owner": "me"})
    assert version["files"] == [{"path": "model.onnx", "sha256": sha256(content), "size_bytes": len(content)}]
    assert sha256(await download(world.planes[1], version)) == sha256(content)
    assert await blobs_in(world, "staging") == []


async def test_registrations_by_two_function_apps_at_once_get_every_version_once(world: World) -> None:
    plane_of = [world.planes[number % 2] for number in range(20)]
    made = await asyncio.gather(*(push(plane_of[n], "shared", f"model {n}".encode()) for n in range(20)))
    assert numbers(made) == list(range(1, 21))
    assert numbers(await versions_of(world.plane, "shared")) == list(range(1, 21))
    await wait_until(lambda: len(set(world.topic.ids(MODEL_REGISTERED))) == 20, 60, "20 events arrive")


async def test_models_are_listed_changed_by_etag_and_remembered(world: World) -> None:
    for name in ("b-model", "a-model", "b-model"):
        await push(world.plane, name, name.encode(), tags={"owner": "me"})
    models = (await call(world.plane, "list_models")).document["items"]
    assert [(model["name"], model["latest_version"]) for model in models] == [("a-model", "1"), ("b-model", "2")]

    found = await call(world.plane, "get_model_version", name="b-model", version="latest")
    patch = {"tags": {"owner": None, "stage": "live"}, "description": "good"}
    at = {"name": "b-model", "version": "2"}
    assert (await call(world.plane, "update_model_version", body=patch, **at)).status == 428
    etag = {"if-match": found.headers["ETag"]}
    changed = await call(world.plane, "update_model_version", body=patch, headers=etag, **at)
    assert (changed.status, changed.document["tags"], changed.document["description"]) == (
        200,
        {"stage": "live"},
        "good",
    )
    assert (await call(world.planes[1], "update_model_version", body=patch, headers=etag, **at)).status == 412

    history = (await call(world.plane, "list_model_history", **at)).document["items"]
    assert [(record["revision"], record["action"]) for record in history] == [(1, "created"), (2, "updated")]
    assert history[1]["changes"]["tags"] == {"owner": None, "stage": "live"}


async def test_what_was_announced_while_the_topic_was_down_is_sent_by_the_sweep(world: World) -> None:
    world.topic.is_down = True
    version = await push(world.plane, "quiet", b"model")
    assert numbers(await versions_of(world.plane, "quiet")) == [1]
    assert world.topic.taken == []
    assert await world.planes[1].sweep_outbox() == 0  # it is still down

    world.topic.is_down = False
    assert await world.planes[1].sweep_outbox() == 1
    await wait_until(lambda: world.topic.ids(MODEL_REGISTERED), 30, "the event arrives")
    logged = (await call(world.plane, "list_events", query={"type": MODEL_REGISTERED})).document["items"]
    assert world.topic.ids(MODEL_REGISTERED) == [event["id"] for event in logged]
    assert logged[0]["subject"] == f"models/{version['id']}"
    assert await world.planes[1].sweep_outbox() == 0


async def test_throttling_by_cosmos_is_waited_for(world: World) -> None:
    world.cosmos.fail_next(429, times=6, headers={"x-ms-retry-after-ms": "1"})
    made = await asyncio.gather(*(push(world.plane, "throttled", f"model {n}".encode()) for n in range(5)))
    assert numbers(made) == [1, 2, 3, 4, 5]
