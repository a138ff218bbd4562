"""A storm of BlobCreated events, repeated and in no order: each upload becomes exactly one version."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.scenarios.local_host import running, wait_until
from tests.scenarios.receiver import MODEL_REGISTERED
from tests.scenarios.rest import drop, get, listed, numbers, sha256, versions_of

SEED = 20261123
NAMES = [f"storm-{number}" for number in range(8)]
FEW, MANY = (120, 40), (700, 200)  # uploads of a manifest and one file, and of a manifest and two files
CONNECTIONS = 16


def uploads(single_file: int, folder: int) -> dict[str, dict[str, str]]:
    """Folder -> file -> content; every file of every upload is another."""
    made = {}
    for number in range(single_file + folder):
        name, path = NAMES[number % len(NAMES)], "model.onnx" if number < single_file else "model"
        files = ["model.onnx"] if number < single_file else ["model/weights.bin", "model/config.json"]
        contents = {file: f"{file} of upload {number}" for file in files}
        made[f"u-{number:04d}"] = {"model.yml": f"name: {name}\npath: {path}\n", **contents}
    return made


def storm(made: dict[str, dict[str, str]], rng: random.Random) -> list[list[dict[str, Any]]]:
    """An event for each file and a second one, with the same id, for every fifth; shuffled, in batches of 1 to 40."""
    paths = [f"{folder}/{file}" for folder, files in made.items() for file in files]
    events = [blob_created(path, f"event-{number}") for number, path in enumerate(paths)]
    events += rng.sample(events, len(events) // 5)
    rng.shuffle(events)
    return list(_batches(events, rng))


def _batches(events: list[dict[str, Any]], rng: random.Random) -> Iterator[list[dict[str, Any]]]:
    at = 0
    while at < len(events):
        size = rng.choice((1, 1, 2, 5, 10, 40))
        yield events[at : at + size]
        at += size


def blob_created(path: str, event_id: str) -> dict[str, Any]:
    return {
        "id": event_id,
        "topic": "/subscriptions/0/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/account",
        "subject": f"/blobServices/default/containers/uploads/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-11-23T12:00:00Z",
        "data": {"api": "PutBlob"},
        "dataVersion": "",
        "metadataVersion": "1",
    }


async def post_all(http: aiohttp.ClientSession, key: str, batches: list[list[dict[str, Any]]]) -> Counter[int]:
    """Deliver every batch as Event Grid does, some at a time; how often each status came."""
    gate = asyncio.Semaphore(CONNECTIONS)
    query = {"functionName": "storage_event", "code": key}

    async def post(batch: list[dict[str, Any]]) -> int:
        headers = {"aeg-event-type": "Notification"}
        async with gate, http.post("/runtime/webhooks/eventgrid", params=query, json=batch, headers=headers) as answer:
            return answer.status

    return Counter(await asyncio.gather(*map(post, batches)))


@pytest.mark.parametrize("counts", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
async def test_a_storm_of_repeated_events_in_no_order_gives_one_version_per_upload(
    counts: tuple[int, int], tmp_path: Path
) -> None:
    print(f"seed {SEED}")
    made, rng = uploads(*counts), random.Random(SEED)
    for folder in rng.sample(sorted(made), len(made)):
        drop(tmp_path / "data", folder, made[folder])
    batches = storm(made, rng)
    async with running(tmp_path / "data", SLIPWAY_UPLOAD_SETTLE_S="0.5") as host, host.client() as http:
        began = time.monotonic()
        async with host.client(key="") as grid:
            statuses = await post_all(grid, host.secrets["eventgrid_key"], batches)
        posted_s = time.monotonic() - began
        assert set(statuses) == {202}

        async def all_registered() -> bool:
            models = (await get(http, "/api/models"))["items"]
            return sum(int(model["latest_version"]) for model in models) >= len(made)

        await wait_until(all_registered, 90, "every upload is registered", poll_s=0.5)
        await wait_until(lambda: not host.uploads(), 90, "the upload folder is clean", poll_s=0.5)
        events = sum(map(len, batches))
        print(f"{events} events in {posted_s:.1f} s, all registered and clean {time.monotonic() - began:.1f} s")

        await each_is_a_version_and_announced(http, made)
        host.check_databases()
        await host.stop()


async def each_is_a_version_and_announced(http: aiohttp.ClientSession, made: dict[str, dict[str, str]]) -> None:
    versions = {name: await versions_of(http, name) for name in NAMES}
    for name, found in versions.items():
        assert numbers(found) == list(range(1, len(found) + 1)), name
    registered = Counter(file["sha256"] for found in versions.values() for each in found for file in each["files"])
    contents = [text for files in made.values() for file, text in files.items() if file != "model.yml"]
    assert registered == Counter(sha256(text.encode()) for text in contents)
    assert sum(map(len, versions.values())) == len(made)

    async def nothing_waits() -> bool:
        phases = Counter(upload["phase"] for upload in await listed(http, "/api/uploads"))
        return phases == {"Completed": len(made)}

    await wait_until(nothing_waits, 60, "nothing waits", poll_s=0.5)
    announced = [event["subject"] for event in await listed(http, "/api/events", type=MODEL_REGISTERED)]
    assert sorted(announced) == sorted(f"models/{v['id']}" for found in versions.values() for v in found)
