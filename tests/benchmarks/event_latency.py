"""From a storage event to ModelRegistered at a subscriber's webhook, open loop: every latency counts from the moment
the event was due, so a server that falls behind cannot hide it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from shared.adapters.local.blob_folders import etag_of, info_of, note_received
from shared.events.wire import to_event_grid
from shared.local_host.blob_events import blob_created
from tests.benchmarks.report import BUILD, Result, Table, percentile, spread
from tests.doubles.webhook_receiver import webhook_receiver
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.receiver import MODEL_REGISTERED
from tests.scenarios.rest import subscribe

EVENT_GRID = "/runtime/webhooks/eventgrid?functionName=storage_event"
NAMES = 50  # models that take turns
MODEL_BYTES = 4096
DRAIN_S = 30.0


@dataclass
class Load:
    """Milliseconds by upload; `late`: how late the generator itself was."""

    due: dict[int, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    delivered: dict[int, float] = field(default_factory=dict)


async def measure(quick: bool) -> Result:
    """At 1/s and 50/s: events posted to the Event Grid endpoint, and files dropped into the folder."""
    BUILD.mkdir(parents=True, exist_ok=True)
    plan = [(1, 5), (50, 3)] if quick else [(1, 60), (50, 30)]
    rounds = 1 if quick else 3
    loads: dict[tuple[str, int], list[Load]] = {}
    for _ in range(rounds):  # interleaved
        for per_s, seconds in plan:
            for way, run in (("posted", _posted), ("dropped", _dropped)):
                with tempfile.TemporaryDirectory(dir=BUILD, prefix="event-latency-") as folder:
                    load = await run(Path(folder) / "data", per_s, per_s * seconds)
                loads.setdefault((way, per_s), []).append(load)
    samples = {
        f"{way} {per_s}/s": [
            {"late_ms": x.late, "accepted_ms": x.accepted, "delivered_ms": list(x.delivered.values())} for x in each
        ]
        for (way, per_s), each in loads.items()
    }
    return Result("event-latency", [_table(loads, plan, rounds)], samples)


async def _posted(data_dir: Path, per_s: int, count: int) -> Load:
    """The files are complete at once, as if they came through the blob endpoint, and are gone again before the watcher
    would announce them: only the posted event wakes anything."""

    async def post(host: LocalHost, http: aiohttp.ClientSession, index: int, load: Load) -> None:
        model, manifest = _write(data_dir, index)
        for path in (model, manifest):
            note_received(data_dir, etag_of(path.stat()), hashlib.sha256(path.read_bytes()).hexdigest())
        blob = info_of(f"u{index}/{manifest.name}", manifest.stat(), etag_of(manifest.stat()))
        event = to_event_grid(blob_created("uploads", blob))
        headers = {"aeg-event-type": "Notification", "x-functions-key": host.secrets["eventgrid_key"]}
        async with http.post(EVENT_GRID, json=[event], headers=headers) as answer:
            assert answer.status == 202, (answer.status, await answer.text())
        load.accepted.append(_ms_since(load.due[index]))

    return await _run(data_dir, per_s, count, post)


async def _dropped(data_dir: Path, per_s: int, count: int) -> Load:
    async def drop(host: LocalHost, http: aiohttp.ClientSession, index: int, load: Load) -> None:
        _write(data_dir, index)

    return await _run(data_dir, per_s, count, drop)


def _write(data_dir: Path, index: int) -> tuple[Path, Path]:
    """A model and then its manifest, in a folder of its own."""
    folder = data_dir / "uploads" / f"u{index}"
    folder.mkdir(parents=True)
    model, manifest = folder / "model.onnx", folder / "model.yml"
    model.write_bytes(os.urandom(MODEL_BYTES))
    manifest.write_text(f"name: m{index % NAMES}\npath: model.onnx\ntags:\n  upload: '{index}'\n")
    return model, manifest


async def _run(
    data_dir: Path,
    per_s: int,
    count: int,
    act: Callable[[LocalHost, aiohttp.ClientSession, int, Load], Awaitable[None]],
) -> Load:
    load = Load()
    async with webhook_receiver() as receiver, running(data_dir) as host, host.client() as http:
        receiver.answer = _noting(load)
        await subscribe(http, "latency", receiver.url, included_event_types=[MODEL_REGISTERED])
        await _generate(per_s, count, load, lambda index: act(host, http, index, load))
        await _all_delivered(load, count)
        await host.stop()
    return load


def _noting(load: Load) -> Any:
    from aiohttp import web

    async def answer(received: Any) -> web.Response:
        now = time.perf_counter()
        for event in received.events:
            index = int(event["data"]["modelTags"]["upload"])
            load.delivered.setdefault(index, (now - load.due[index]) * 1000)
        return web.Response()

    return answer


async def _generate(per_s: int, count: int, load: Load, act: Callable[[int], Awaitable[None]]) -> None:
    began = time.perf_counter() + 0.5
    async with asyncio.TaskGroup() as group:
        for index in range(count):
            load.due[index] = began + index / per_s
            await asyncio.sleep(max(0.0, load.due[index] - time.perf_counter()))
            load.late.append(_ms_since(load.due[index]))
            group.create_task(_awaited(act(index)))


async def _awaited(work: Awaitable[None]) -> None:
    await work


async def _all_delivered(load: Load, count: int) -> None:
    end = time.perf_counter() + DRAIN_S
    while len(load.delivered) < count:
        assert time.perf_counter() < end, f"{len(load.delivered)} of {count} were delivered"
        await asyncio.sleep(0.05)


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _table(loads: dict[tuple[str, int], list[Load]], plan: list[tuple[int, int]], rounds: int) -> Table:
    titles = {"posted": "BlobCreated posted", "dropped": "files dropped into the folder"}
    rows = []
    for (way, per_s), each in loads.items():
        latencies = [list(load.delivered.values()) for load in each]
        accepted = [percentile(load.accepted, 0.5) for load in each if load.accepted]
        rows.append(
            (
                f"{titles[way]}, {per_s}/s",
                str(sum(map(len, latencies)) // len(each)),
                spread([percentile(values, 0.5) for values in latencies], ".1f"),
                spread([percentile(values, 0.99) for values in latencies], ".1f"),
                spread([max(values) for values in latencies], ".1f"),
                spread(accepted, ".1f") if accepted else "",
                f"{statistics.median(percentile(load.late, 0.99) for load in each):.1f}",
            )
        )
    seconds = " and ".join(f"{duration} s at {per_s}/s" for per_s, duration in plan)
    columns = ("load", "events", "p50", "p99", "max", "p50 to the 202", "generator late, p99")
    note = f"Each value: median (range) over {rounds} runs, {seconds}, a fresh host and folder each."
    return Table("Until ModelRegistered is at the webhook, ms from the moment it was due", columns, rows, note)
