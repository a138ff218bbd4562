"""kill -9 at random moments while uploads run: nothing that was accepted is lost, doubled, or half visible."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

import pytest

from tests.scenarios.kill_load import Load, all_of, check_promises
from tests.scenarios.local_host import LocalHost, port_for_restarts, running, wait_until
from tests.scenarios.receiver import MODEL_REGISTERED, Receiver, receiving
from tests.scenarios.rest import subscribe

MOMENTS = 2
MANY_MOMENTS = 200
SEED_VARIABLE = "SLIPWAY_TEST_SEED"
LONGEST_LIFE_S = 2.5
SETTINGS = {
    "SLIPWAY_EVENTGRID_BACKOFF_SCALE": "0.02",  # 10 s become 0.2 s: a subscriber does not wait for the next restart
    "SLIPWAY_UPLOAD_SETTLE_S": "0.2",
    "SLIPWAY_OUTBOX_GRACE_S": "2",
}


@pytest.mark.timeout(300)
async def test_nothing_is_lost_when_the_host_is_killed_at_any_moment(tmp_path: Path) -> None:
    await kill_repeatedly(tmp_path / "data", MOMENTS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_nothing_is_lost_when_the_host_is_killed_at_200_moments(tmp_path: Path) -> None:
    await kill_repeatedly(tmp_path / "data", MANY_MOMENTS)


async def kill_repeatedly(data_dir: Path, moments: int) -> None:
    seed = int(os.environ.get(SEED_VARIABLE) or random.randrange(2**32))
    print(f"{SEED_VARIABLE}={seed} repeats this run's moments")
    rng = random.Random(seed)
    began = time.monotonic()
    async with (
        running(data_dir, port=port_for_restarts(), **SETTINGS) as host,
        receiving() as receiver,
        host.client() as http,
    ):
        await subscribe(http, "stays-up", receiver.url, included_event_types=[MODEL_REGISTERED])
        load = Load(host, http, random.Random(seed + 1))
        working = asyncio.create_task(load.run())
        try:
            for moment in range(moments):
                await live_and_die(host, working, rng)
                await host.start()
                host.check_databases()
                await check_promises(load, f"after kill {moment + 1}")
            load.end()
            await asyncio.wait_for(working, 60)
        finally:
            working.cancel()
        await check_end(host, load, receiver)
        promises = load.promises
        print(
            f"{moments} kills in {time.monotonic() - began:.0f} s: {len(promises.accepted)} pushed, "
            f"{len(promises.dropped)} dropped, {len(promises.checked)} versions read back, "
            f"{len(receiver.accepted)} events for {len(receiver.registered)} registrations"
        )
        await host.stop()


async def live_and_die(host: LocalHost, working: asyncio.Task[None], rng: random.Random) -> None:
    """Kill it at a moment of its life, or, one time in four, while it starts."""
    await asyncio.sleep(rng.uniform(0, LONGEST_LIFE_S))
    if working.done():
        working.result()
    host.kill()
    if rng.random() < 0.25:
        host.launch()
        await asyncio.sleep(rng.uniform(0, 1.5))
        host.kill()


async def check_end(host: LocalHost, load: Load, receiver: Receiver) -> None:
    """What holds once the host was left alone: everything that was dropped is registered, everything is announced."""
    try:
        await wait_until(lambda: not host.uploads(), 120, "the upload folder is clean", poll_s=0.25)
    except AssertionError:
        await tell_what_is_left(host)
        raise
    versions = await check_promises(load, "at the end")
    registered = {file["sha256"] for version in all_of(versions) for file in version["files"]}
    assert registered == load.promises.dropped | set(load.promises.accepted)
    expected = sorted((version["name"], int(version["version"])) for version in all_of(versions))
    await wait_until(lambda: receiver.registered == expected, 120, "every registration is announced", poll_s=0.25)
    ids: dict[str, set[str]] = {}
    for event in receiver.accepted:
        ids.setdefault(event["subject"], set()).add(event["id"])
    assert {subject for subject, found in ids.items() if len(found) > 1} == set()
    host.check_databases()


async def tell_what_is_left(host: LocalHost) -> None:
    """Whether the host still runs, the files that are left, and the uploads that are not done: who reads a failure
    asks for these."""
    print(f"exit code of the host: {host.process.poll()}; left in the folder: {host.uploads()}")
    async with host.client() as http, http.get("/api/uploads?limit=100") as answer:
        uploads = (await answer.json())["items"]
    for upload in uploads:
        if upload["phase"] != "Completed":
            print(upload)
