"""How many models a second can be registered, closed loop: over REST by 1, 8 and 32 clients, and without HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from shared.adapters.local.blob_folders import etag_of, note_received
from shared.resources.base import Cause
from shared.resources.model import ModelDeclaration, ModelFile
from tests.benchmarks.report import BUILD, Result, Table, percentile, spread
from tests.plane import make_plane
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import create_upload, register, send

NAMES = 64  # models that take turns
MODEL_BYTES = 4096
WARM_UP_S = 1.0
MOST_PER_S = 600  # so many files are staged
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TITLES = {"all": "create upload + PUT 4 KiB + register", "register": "register what is staged"}


@dataclass
class Run:
    """One run of one load."""

    per_s: float
    latencies_ms: list[float]
    server_cpu_ms: float  # for each registration
    client_cpu_ms: float


async def measure(quick: bool) -> Result:
    """Loads interleaved, a fresh host and folder for each run."""
    BUILD.mkdir(parents=True, exist_ok=True)
    seconds, rounds, clients = (3.0, 1, (1, 8)) if quick else (20.0, 3, (1, 8, 32))
    runs: dict[tuple[str, int], list[Run]] = {}
    embedded: dict[str, list[float]] = {}
    for _ in range(rounds):
        for count in clients:
            for way in TITLES:
                with tempfile.TemporaryDirectory(dir=BUILD, prefix="registration-rate-") as folder:
                    run = await _over_rest(Path(folder) / "data", way, count, seconds)
                runs.setdefault((way, count), []).append(run)
        for title, count, names in (("one after the other", 1, NAMES), ("32 at a time", 32, NAMES)):
            with tempfile.TemporaryDirectory(dir=BUILD, prefix="registration-rate-") as folder:
                embedded.setdefault(title, []).append(await _embedded(Path(folder), count, names, seconds / 4))
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="registration-rate-") as folder:
        syncs = await _syncs(Path(folder) / "data")
    samples = {
        "rest": {f"{way}, {count} clients": [vars(run) for run in each] for (way, count), each in runs.items()},
        "embedded_per_s": embedded,
        "syncs_per_registration": syncs,
    }
    return Result("registration-rate", [_rest_table(runs, seconds, rounds), _inside_table(embedded, syncs)], samples)


async def _over_rest(data_dir: Path, way: str, clients: int, seconds: float) -> Run:
    async with running(data_dir) as host, host.client(connections=clients) as http:
        step = _everything(http) if way == "all" else _register_only(http, data_dir)
        await _closed_loop(step, clients, WARM_UP_S)
        if way == "register":
            step = _register_only(http, data_dir, staged=int(MOST_PER_S * seconds))
        server, client = _cpu_s(host.process.pid), time.process_time()
        latencies, took_s = await _closed_loop(step, clients, seconds)
        server_s, client_s = _cpu_s(host.process.pid) - server, time.process_time() - client
        count = len(latencies)
        await host.stop()
    return Run(count / took_s, latencies, server_s / count * 1000, client_s / count * 1000)


async def _closed_loop(
    step: Callable[[int], Awaitable[None]], clients: int, seconds: float
) -> tuple[list[float], float]:
    """Each client begins its next one when its last was answered: their milliseconds, and the seconds of it all."""
    latencies: list[float] = []
    began = time.perf_counter()

    async def client(number: int) -> None:
        index = number
        while (start := time.perf_counter()) - began < seconds:
            await step(index)
            latencies.append((time.perf_counter() - start) * 1000)
            index += clients

    await asyncio.gather(*(client(number) for number in range(clients)))
    return latencies, time.perf_counter() - began


def _everything(http: aiohttp.ClientSession) -> Callable[[int], Awaitable[None]]:
    async def step(index: int) -> None:
        session = await create_upload(http, "model.onnx")
        await send(http, session["files"][0], os.urandom(MODEL_BYTES))
        await _registered(http, session["upload_id"], index)

    return step


def _register_only(http: aiohttp.ClientSession, data_dir: Path, *, staged: int = 0) -> Callable[[int], Awaitable[None]]:
    ids = [stage(data_dir, f"u-staged-{staged}-{index}") for index in range(staged or MOST_PER_S)]
    os.sync()  # else the first fsync of the host would have to bring all of it to the disk

    async def step(index: int) -> None:
        await _registered(http, ids[index], index)

    return step


async def _registered(http: aiohttp.ClientSession, upload_id: str, index: int) -> None:
    model = {"name": f"m{index % NAMES}", "path": "model.onnx", "tags": {"owner": "ml-team"}}
    status, _ = await register(http, {"upload_id": upload_id, "model": model})
    assert status == 201, status


def stage(data_dir: Path, upload_id: str, name: str = "model.onnx") -> str:
    """Put a file where the blob endpoint would have put it; the upload's id."""
    path = data_dir / "staging" / upload_id / name
    path.parent.mkdir(parents=True)
    content = os.urandom(MODEL_BYTES)
    path.write_bytes(content)
    note_received(data_dir, etag_of(path.stat()), hashlib.sha256(content).hexdigest())
    return upload_id


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


async def _embedded(folder: Path, tasks: int, names: int, seconds: float) -> float:
    """Registry.register on SQLite in this process, a second."""
    plane = make_plane(folder / "data")
    cause = Cause(actor="benchmark", type="request", id="r")

    async def step(index: int) -> None:
        declaration = ModelDeclaration(name=f"m{index % names}", path="model.onnx", tags={"owner": "ml-team"})
        file = ModelFile(path="model.onnx", sha256=hashlib.sha256(str(index).encode()).hexdigest(), size_bytes=1)
        await plane.deps.registry.register(declaration, [file], f"u-{index}", cause)

    latencies, took_s = await _closed_loop(step, tasks, seconds)
    store: Any = plane.deps.store
    await store.close()
    return len(latencies) / took_s


async def _syncs(data_dir: Path, count: int = 50) -> dict[str, float]:
    """fsync and fdatasync calls of the host for each registration, everything it entails included; {} without strace
    (which slows the host down so much that nothing else is measured here)."""
    if shutil.which("strace") is None:
        return {}
    found = {}
    async with running(data_dir) as host, host.client() as http:
        for way in TITLES:
            step = _everything(http) if way == "all" else _register_only(http, data_dir, staged=count)
            if way == "all":
                await step(0)  # imports, and makes the files
            found[way] = (await _traced(host, step, count)) / count
        await host.stop()
    return found


async def _traced(host: LocalHost, step: Callable[[int], Awaitable[None]], count: int) -> int:
    trace = host.data_dir.parent / "trace"
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace), "-p", str(host.process.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    await asyncio.to_thread(tracer.stderr.readline)  # "Process N attached"
    for index in range(count):
        await step(index)
    await asyncio.sleep(1)  # what the events entail
    tracer.send_signal(signal.SIGINT)
    await asyncio.to_thread(tracer.wait)
    return sum("sync(" in line for line in trace.read_text().splitlines())


def _rest_table(runs: dict[tuple[str, int], list[Run]], seconds: float, rounds: int) -> Table:
    rows = [
        (
            TITLES[way],
            str(clients),
            spread([run.per_s for run in each]),
            spread([percentile(run.latencies_ms, 0.5) for run in each], ".1f"),
            spread([percentile(run.latencies_ms, 0.99) for run in each], ".1f"),
            spread([run.server_cpu_ms for run in each], ".1f"),
            spread([run.client_cpu_ms for run in each], ".1f"),
        )
        for (way, clients), each in sorted(runs.items())
    ]
    columns = ("each time", "clients", "registrations/s", "p50 ms", "p99 ms", "server CPU ms", "load generator CPU ms")
    note = f"Median (range) of {rounds} runs of {seconds:.0f} s, each on a fresh host and folder; {NAMES} models."
    return Table("Registrations over REST, closed loop", columns, rows, note)


def _inside_table(embedded: dict[str, list[float]], syncs: dict[str, float]) -> Table:
    rows = [
        (f"Registry.register without HTTP, {title}", f"{spread(each)} a second") for title, each in embedded.items()
    ]
    rows += [(f"fsync and fdatasync calls: {TITLES[way]}", f"{count:.1f} each") for way, count in syncs.items()]
    return Table("Inside", ("what", "figure"), rows)
