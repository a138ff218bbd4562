"""Four instances of the function app on one SQLite store: what all do at once is done once, and one may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.local.event_grid import open_event_grid
from shared.adapters.local.resource_store import open_resource_store
from shared.commit import Committer, Draft
from shared.errors import Retryable
from shared.events.types import MODEL_REGISTERED, EventDraft
from shared.leases import KIND as LEASE
from shared.local_host.event_delivery import EventDelivery, SystemSubscription
from shared.local_host.event_grid_webhook import PATH as EVENT_GRID_PATH
from shared.local_host.up import EVENT_TYPES, TOPICS
from shared.local_host.upload_watcher import UploadWatcher
from shared.local_host.watching import WATCHED_SUBJECTS
from shared.resources.base import Cause, ResourceKey
from shared.resources.events import Event
from shared.settings import LOCAL_TOPIC
from tests.scenarios.fleet import Fleet, fleet_in
from tests.scenarios.kill_load import Load, all_of, check_promises
from tests.scenarios.local_host import wait_until
from tests.scenarios.receiver import Receiver, receiving
from tests.scenarios.rest import document, listed, numbers, push, subscribe, versions_of
from tests.scenarios.test_kill import SEED_VARIABLE, SETTINGS

NAMES = ("one", "two", "three", "four")
OWED = 20
KILLS = 16
LEAN = {"SLIPWAY_INSPECT_MAX_BYTES": "0"}  # no process for each file: not what is tested here
CAUSE = Cause(actor="tester", type="request", id="owed")


@asynccontextmanager
async def fleet_on_sqlite(data_dir: Path, seed: int) -> AsyncIterator[Fleet]:
    """Four instances. The events and the upload folder are looked after by this process, as Azure does for all."""
    print(f"{SEED_VARIABLE}={seed} repeats this run's choices")
    environ = {"SLIPWAY_MODE": "local", "SLIPWAY_DATA_DIR": str(data_dir), "SLIPWAY_WORK_QUEUE": "reconcile"}
    async with fleet_in(data_dir, random.Random(seed), **environ, **SETTINGS, **LEAN) as fleet:
        grid = open_event_grid(data_dir / "eventgrid.db")
        functions = f"{fleet.front_end.url}{EVENT_GRID_PATH}?code={fleet.secrets.eventgrid_key}&functionName="
        system = [SystemSubscription(TOPICS[name], name, functions + name, EVENT_TYPES[name]) for name in TOPICS]
        delivery = EventDelivery(
            grid, SystemClock(), system=system, dead_letter_dir=data_dir / "dead-letter", backoff_scale=0.02
        )
        await delivery.register()
        await grid.subscriptions.announce(fleet.front_end.url)

        async def on_blob_created(event: Event) -> None:
            if event.subject.startswith(WATCHED_SUBJECTS):
                await grid.enqueue("storage", [event])

        await fleet.start(*NAMES)
        watcher = UploadWatcher(data_dir, on_blob_created)
        tasks = [asyncio.create_task(each) for each in (delivery.run(), watcher.run())]
        try:
            yield fleet
            assert not [task for task in tasks if task.done()]
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await grid.close()


def seed_of_this_run() -> int:
    return int(os.environ.get(SEED_VARIABLE) or random.randrange(2**32))


@pytest.mark.timeout(180)
async def test_what_four_instances_do_at_once_is_done_once(tmp_path: Path) -> None:
    async with fleet_on_sqlite(tmp_path / "data", seed_of_this_run()) as fleet, fleet.client() as http:
        async with receiving() as receiver:
            await subscribe(http, "all", receiver.url, included_event_types=[MODEL_REGISTERED])
            await check_applies(fleet, http)
            await check_registrations(fleet, http)
            await check_sweeps(fleet, receiver)
            await check_a_killed_one(fleet, http, receiver)
        fleet.check_databases()
        assert fleet.end("two") == 0, fleet.instances


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_nothing_is_lost_when_instances_are_killed_while_all_work(tmp_path: Path) -> None:
    """Files are dropped and pushed, timers strike everywhere at once, and instances are killed and replaced."""
    seed = seed_of_this_run()
    rng = random.Random(seed)
    async with fleet_on_sqlite(tmp_path / "data", seed) as fleet, fleet.client() as http, receiving() as receiver:
        await subscribe(http, "all", receiver.url, included_event_types=[MODEL_REGISTERED])
        load = Load(fleet, http, random.Random(seed + 1))
        working = asyncio.create_task(load.run())
        try:
            for number in range(KILLS):
                await asyncio.sleep(rng.uniform(2, 8))
                await fleet.run_timer(rng.choice(("sweep_outbox", "look_again", "expire_staged")))
                victim = rng.choice(sorted(fleet.instances))
                fleet.kill(victim)
                await fleet.start(f"{victim.partition('-')[0]}-{number}")
            await check_promises(load, "at the last kill")
            load.end()
            async with asyncio.timeout(120):
                await working
        finally:
            working.cancel()
        # What a killed instance had taken from the queue stays hidden for ten minutes; the timer looks after a minute.
        await wait_until(lambda: not fleet.uploads(), 300, "the upload folder is clean", poll_s=0.5)
        versions = await check_promises(load, "at the end")
        registered = {file["sha256"] for version in all_of(versions) for file in version["files"]}
        assert registered == load.promises.dropped | set(load.promises.accepted)
        expected = sorted((version["name"], int(version["version"])) for version in all_of(versions))
        await wait_until(lambda: receiver.registered == expected, 120, "every registration is announced", poll_s=0.25)
        fleet.check_databases()
        ids = Counter(each["id"] for each in receiver.accepted)
        print(f"{len(expected)} registrations, {sum(ids.values()) - len(ids)} events came again after {KILLS} kills")
        assert len(ids) == len(expected)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_timers_of_a_killed_instance_are_taken_over(tmp_path: Path) -> None:
    """The holder of the lease is killed: when it has ended, another sends what is owed, by its own timer."""
    async with (
        fleet_on_sqlite(tmp_path / "data", seed_of_this_run()) as fleet,
        fleet.client() as http,
        receiving() as to,
    ):
        await subscribe(http, "all", to.url, included_event_types=[MODEL_REGISTERED])
        await fleet.run_timer("sweep_outbox")
        holder = await wait_until(lambda: holder_of(fleet, "sweep_outbox"), 60, "somebody has the lease")
        fleet.kill(holder)
        await owe(fleet.data_dir)
        await wait_until(lambda: len(sent_to(to)) == OWED, 200, "every owed event is sent")
        assert holder_of(fleet, "sweep_outbox") in fleet.instances


def holder_of(fleet: Fleet, lease: str) -> str:
    """The name of the instance that has the lease; "" when none ever had."""
    key = ResourceKey(LEASE, lease)
    sql = "SELECT body FROM documents WHERE partition = ? AND id = ?"
    found = fleet.rows("slipway.db", sql, key.partition, key.document_id)
    return str(json.loads(found[0][0])["status"]["holder"]) if found else ""


async def check_applies(fleet: Fleet, http: aiohttp.ClientSession) -> None:
    """The same declared file, applied by every instance at once: one version, unchanged for all but one."""
    schema = "https://azuremlschemas.azureedge.net/latest/environment.schema.json"
    file = {"path": "e.yml", "text": f"$schema: {schema}\nname: same\nimage: python:3.11-slim\n"}
    body = {"files": [file], "provenance": {"source": "models"}}

    async def apply(url: str) -> str:
        async with http.post(f"{url}/api/apply", json=body) as answer:
            (done,) = (await document(answer, 200))["files"]
        return str(done["result"])

    urls = [instance.url for instance in fleet.instances.values()]
    results = await asyncio.gather(*(apply(url) for url in urls * 2))
    assert Counter(results) == {"created": 1, "unchanged": 7}
    assert numbers(await listed(http, "/api/environments/same/versions")) == [1]


async def check_registrations(fleet: Fleet, http: aiohttp.ClientSession) -> None:
    """Versions that every instance registers at once have no gap and no double."""
    await asyncio.gather(*(push(http, "shared", {"model.onnx": f"model {n}".encode()}) for n in range(10)))
    assert numbers(await versions_of(http, "shared")) == list(range(1, 11))


class DownPublisher:
    """An Event Grid that is not there: what is committed meanwhile is owed."""

    async def publish(self, events: object) -> None:
        raise Retryable("the topic is down")


async def owe(data_dir: Path) -> None:
    """Commit events an hour ago that nobody published."""
    store = open_resource_store(data_dir / "slipway.db")
    committer = Committer(store, DownPublisher(), ManualClock(SystemClock().now() - timedelta(hours=1)), LOCAL_TOPIC)
    for number in range(1, OWED + 1):
        key = ResourceKey("model", "owed", str(number))
        event = EventDraft(MODEL_REGISTERED, f"models/owed:{number}", {"modelName": "owed", "modelVersion": number})

        async def create(_: object, key: ResourceKey = key, event: EventDraft = event) -> tuple[Draft, ...]:
            return (Draft(key, {}, events=(event,)),)

        await committer.transact((key,), create, CAUSE)
    await store.close()


def sent_to(receiver: Receiver) -> Counter[str]:
    """How often each of the owed events came."""
    return Counter(each["id"] for each in receiver.accepted if each["data"]["modelName"] == "owed")


async def check_sweeps(fleet: Fleet, receiver: Receiver) -> None:
    """Every instance sweeps the outbox at once, several times: each owed event is sent once."""
    await owe(fleet.data_dir)
    for _ in range(4):
        await fleet.run_timer("sweep_outbox")
    await wait_until(lambda: len(sent_to(receiver)) == OWED, 60, "every owed event is sent")
    await fleet.run_timer("sweep_outbox")
    owed = "SELECT COUNT(*) FROM events WHERE acknowledged_at IS NULL"
    await wait_until(lambda: fleet.rows("slipway.db", owed) == [(0,)], 60, "every owed event is acknowledged")
    assert set(sent_to(receiver).values()) == {1}


async def check_a_killed_one(fleet: Fleet, http: aiohttp.ClientSession, receiver: Receiver) -> None:
    """kill -9 of one while all are asked: what was answered is there, and the others go on."""
    pushing = [asyncio.create_task(push_persistently(http, "killed", f"model {n}")) for n in range(10)]
    await wait_until(lambda: any(task.done() for task in pushing), 60, "a model is registered")
    fleet.kill("one")
    await asyncio.gather(*pushing)
    assert numbers(await versions_of(http, "killed")) == list(range(1, 11))
    wanted = [("killed", number) for number in range(1, 11)]
    await wait_until(lambda: set(wanted) <= set(receiver.registered), 60, "every registration is announced")
    ids = {each["subject"]: set() for each in receiver.accepted}  # type: dict[str, set[str]]
    for each in receiver.accepted:
        ids[each["subject"]].add(each["id"])
    assert {subject for subject, found in ids.items() if len(found) > 1} == set()


async def push_persistently(http: aiohttp.ClientSession, name: str, content: str) -> None:
    """Push as a client does who tries again when the connection breaks: the same upload, so the same version."""
    load = Load(NoFolder(), http, random.Random(0))
    await load._push(name, content.encode())
    assert load.promises.violations == []


class NoFolder:
    """For who drops nothing."""

    data_dir = Path()
