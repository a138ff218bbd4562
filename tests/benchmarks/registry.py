"""The registry beside an MLflow server: SQLite on both sides, MLflow's own client, the same machine, the same run."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks import mlflow_peer, registry_fill
from tests.benchmarks.registration_rate import stage
from tests.benchmarks.report import BUILD, Result, Table, percentile
from tests.scenarios.local_host import running
from tests.scenarios.rest import create_upload, register, send

MODEL_BYTES = 1_000_000
FILE = "the.weights"  # neither ONNX nor a pickle: MLflow does not look into files, so here nothing is to be looked into
NEEDLES = 20  # versions that share a value of the tag `needle`
PAGE = 100
SIZES = {"100": (10, 100), "10,000": (100, 10_000), "100,000": (100, 100_000), "10,000 of one model": (1, 10_000)}
READS = {
    "get": "get a version",
    "model": "get a model",
    "label": "set a label (alias)",
    "search": "search by tag, 20 of all found",
    "list": "list a page of 100",
}
WRITES = {
    ("register", 1): "send 1 MB and register it, 1 client",
    ("register", 8): "send 1 MB and register it, 8 clients",
    ("create", 1): "register what is there, 1 client",
    ("create", 8): "register what is there, 8 clients",
}
Step = Callable[[int], Awaitable[Any]]


@dataclass
class Size:
    """What was measured with so many versions: milliseconds of each call, and calls a second."""

    latencies_ms: dict[tuple[str, str], list[float]] = field(default_factory=dict)  # (peer, operation)
    rates: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)  # (peer, operation, clients)
    searches_ms: list[float] = field(default_factory=list)  # Slipway, searches of all shapes
    memory_mb: dict[str, tuple[int, float]] = field(default_factory=dict)  # peer -> processes, MB


async def measure(quick: bool) -> Result:
    """Sizes one after the other; within a size both peers run, and every operation is interleaved."""
    BUILD.mkdir(parents=True, exist_ok=True)
    version = await asyncio.to_thread(mlflow_peer.install)
    sizes = {"100": (10, 100), "2,000": (20, 2000)} if quick else SIZES
    rounds, read_s, write_s = (1, 0.5, 1.0) if quick else (3, 0.8, 1.2)
    measured = {}
    for title, (names, versions) in sizes.items():
        with tempfile.TemporaryDirectory(dir=BUILD, prefix="registry-") as folder:
            print(f"   {title} versions", flush=True)
            measured[title] = await _size(Path(folder), names, versions, rounds, read_s, write_s)
    samples = {title: _samples(size) for title, size in measured.items()}
    note = (
        f"MLflow {version}: `mlflow server` with SQLite and proxied artifacts, its defaults, asked by its own client "
        f"in a process of its own; Slipway: `slipway up`, asked over HTTP by aiohttp. Both keep their connections "
        f"open. Medians of {rounds} interleaved rounds. 100,000 versions are 100 models of 1,000, 10,000 are 100 of "
        "100. The stores were filled beforehand: Slipway's through the registry's commits without HTTP, MLflow's by "
        "plain SQL into its tables, because its API would take half an hour."
    )
    return Result("registry", [_comparison(measured, note), _flatness(measured), _memory(measured)], samples)


async def _size(folder: Path, names: int, versions: int, rounds: int, read_s: float, write_s: float) -> Size:
    found = Size()
    await registry_fill.fill(folder / "data", names, versions, NEEDLES)
    async with AsyncExitStack() as stack:
        url, pid = stack.enter_context(mlflow_peer.mlflow_server(folder / "mlflow"))
        await asyncio.to_thread(mlflow_peer.fill, folder / "mlflow" / "mlflow.db", names, versions, NEEDLES)
        peer = await stack.enter_async_context(mlflow_peer.mlflow_client(url))
        host = await stack.enter_async_context(running(folder / "data"))
        http = await stack.enter_async_context(host.client(connections=8))
        slipway = _Slipway(http, folder / "data", names, versions)
        job = {"names": names, "versions": versions}
        for op in (*READS, "create", "register"):  # imports, caches and connections of both
            await slipway.run(op, 1, 0.5)
            await peer.run(op=op, clients=1, seconds=0.5, count=5, **job)
        for _ in range(rounds):
            for op in READS:
                for name, run in (
                    ("Slipway", await slipway.run(op, 1, read_s / 2)),
                    ("MLflow", await peer.run(op=op, clients=1, seconds=read_s, count=1000, **job)),
                ):
                    found.latencies_ms.setdefault((name, op), []).extend(run["latencies_ms"])
            found.searches_ms += (await slipway.run("searches", 1, read_s))["latencies_ms"]
        for _ in range(rounds):
            for op, clients in WRITES:
                for name, run in (
                    ("Slipway", await slipway.run(op, clients, write_s)),
                    ("MLflow", await peer.run(op=op, clients=clients, seconds=write_s, count=10**6, **job)),
                ):
                    rate = len(run["latencies_ms"]) / run["took_s"]
                    found.rates.setdefault((name, op, clients), []).append(rate)
        found.memory_mb["MLflow"] = mlflow_peer.memory_mb(pid)
        found.memory_mb["Slipway"] = (1, mlflow_peer.pss_mb(host.process.pid))
        await host.stop()
    return found


class _Slipway:
    """What the same operations are over Slipway's REST API."""

    def __init__(self, http: aiohttp.ClientSession, data_dir: Path, names: int, versions: int) -> None:
        self._http = http
        self._data_dir = data_dir
        self._names = names
        self._versions = versions
        self._each = max(1, versions // names)
        self._content = os.urandom(MODEL_BYTES)
        self._made = count()
        self._staged: list[str] = []

    async def run(self, op: str, clients: int, seconds: float) -> dict[str, Any]:
        """As mlflow_worker's: closed loop."""
        if op == "create":
            self._stage(int(1000 * seconds))
        step, numbers, latencies = self._step(op), count(), list[float]()
        began = time.perf_counter()

        async def client() -> None:
            while time.perf_counter() - began < seconds:
                start = time.perf_counter()
                await step(next(numbers))
                latencies.append((time.perf_counter() - start) * 1000)

        await asyncio.gather(*(client() for _ in range(clients)))
        return {"latencies_ms": latencies, "took_s": time.perf_counter() - began}

    def _stage(self, needed: int) -> None:
        while len(self._staged) < needed:
            self._staged.append(stage(self._data_dir, f"u-staged-{next(self._made)}", FILE))
        os.sync()

    def _step(self, op: str) -> Step:
        steps: dict[str, Step] = {
            "register": self._register,
            "create": self._create,
            "get": lambda i: self._get(f"/api/models/m{i % self._names}/versions/{i * 7919 % self._each + 1}"),
            "model": lambda i: self._get(f"/api/models/m{i % self._names}"),
            "label": self._label,
            "search": lambda i: self._get(f"/api/model-versions?tag=needle={self._needle(i)}&limit={PAGE}"),
            "list": lambda i: self._get(f"/api/model-versions?limit={PAGE}"),
            "searches": lambda i: self._get(self._shapes(i)),
        }
        return steps[op]

    def _needle(self, index: int) -> str:
        return f"n{index * 31 % max(1, self._versions // NEEDLES)}"

    def _shapes(self, index: int) -> str:
        """Searches of every shape, a page of 20 each."""
        name, needle = f"m{index % self._names}", self._needle(index)
        shapes = (
            f"tag=needle={needle}",
            f"tag=owner=team-{index % 10}",
            f"tag=owner=team-{index % 10},needle={needle}",
            f"tag=owner=team-{index % 10}&text={name}",
            f"text={name} team&sort=-created",
            f"tag=owner=team-{index % 10}&sort=-created",
            "created_after=2020-01-01T00:00:00Z&tag=needle",
            "label=champion",
        )
        return f"/api/model-versions?{shapes[index % len(shapes)]}&limit=20"

    async def _get(self, path: str) -> None:
        async with self._http.get(path) as answer:
            assert answer.status == 200, (path, answer.status, await answer.text())
            await answer.json()

    async def _label(self, index: int) -> None:
        path = f"/api/models/m{index % self._names}/labels/champion"
        async with self._http.put(
            path, json={"version": str((index + index // self._names) % self._each + 1)}
        ) as answer:
            assert answer.status == 200, await answer.text()

    async def _register(self, index: int) -> None:
        session = await create_upload(self._http, FILE)
        await send(self._http, session["files"][0], self._fresh())
        await self._registered(session["upload_id"], index)

    def _fresh(self) -> bytes:
        return next(self._made).to_bytes(8, "big") + self._content[8:]

    async def _create(self, index: int) -> None:
        await self._registered(self._staged.pop(), index)

    async def _registered(self, upload_id: str, index: int) -> None:
        model = {"name": f"m{index % self._names}", "path": FILE, "tags": {"owner": "ml-team"}}
        status, _ = await register(self._http, {"upload_id": upload_id, "model": model})
        assert status == 201, status


def _rows(size: Size) -> Iterator[tuple[str, float, float, bool]]:
    """Operation, MLflow, Slipway, and whether more is better."""
    for (op, clients), title in WRITES.items():
        mlflow, slipway = (statistics.median(size.rates[peer, op, clients]) for peer in ("MLflow", "Slipway"))
        yield title, mlflow, slipway, True
    for op, title in READS.items():
        mlflow, slipway = (statistics.median(size.latencies_ms[peer, op]) for peer in ("MLflow", "Slipway"))
        yield title, mlflow, slipway, False


def _comparison(measured: dict[str, Size], note: str) -> Table:
    rows = []
    for title, size in measured.items():
        for name, mlflow, slipway, more_is_better in _rows(size):
            unit = "/s" if more_is_better else "ms"
            times = slipway / mlflow if more_is_better else mlflow / slipway
            form = ".0f" if more_is_better else ".2f"
            rows.append((title, name, f"{mlflow:{form}} {unit}", f"{slipway:{form}} {unit}", f"{times:.1f}"))
    return Table("Beside MLflow", ("versions", "operation", "MLflow", "Slipway", "times"), rows, note)


def _flatness(measured: dict[str, Size]) -> Table:
    titles = [title for title in measured if "model" not in title]
    first, last = measured[titles[0]], measured[titles[-1]]
    rows = []
    for (name, _, before, more_is_better), (_, _, after, _) in zip(_rows(first), _rows(last), strict=True):
        slower = before / after if more_is_better else after / before
        rows.append((name, f"{(slower - 1) * 100:+.0f} %"))
    rows += [
        (f"searches of eight shapes, p95 at {title}", f"{percentile(size.searches_ms, 0.95):.1f} ms")
        for title, size in measured.items()
    ]
    note = f"How much longer Slipway takes with {titles[-1]} versions than with {titles[0]}. Goals: 20 %, 20 ms."
    return Table("Flatness", ("what", "figure"), rows, note)


def _memory(measured: dict[str, Size]) -> Table:
    rows = [
        (title, *(f"{size.memory_mb[peer][1]:.0f} MB in {size.memory_mb[peer][0]}" for peer in ("MLflow", "Slipway")))
        for title, size in measured.items()
    ]
    note = "After the load; proportional set size, so what processes share is counted once. Goal: 150 MB."
    return Table("Memory and processes", ("versions", "MLflow", "Slipway"), rows, note)


def _samples(size: Size) -> dict[str, Any]:
    return {
        "latencies_ms": {" ".join(key): values for key, values in size.latencies_ms.items()},
        "rates": {" ".join(map(str, key)): values for key, values in size.rates.items()},
        "searches_ms": size.searches_ms,
        "memory_mb": size.memory_mb,
    }
