"""Whether a profile slows the control plane that it was asked of: /api/models while nothing runs, and meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import aiohttp

from shared.profiling.statistics import percentile
from tests.benchmarks.report import BUILD, ROOT, Result, Table, spread
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.test_registry_commands import slipway

MODEL = ROOT / "examples" / "diabetes"
ROW = {"data": [[0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02]]}
TARGET = {"target_rps": 1_000, "p99_ms": 50}
PAUSE_S = 0.02  # between two requests of the reader: it looks, it does not load
WINDOW_S = 5.0
ROUNDS = 3
LIMIT = 3.0  # times the 99th percentile without a profile: what a profile on two cores may cost


async def measure(quick: bool) -> Result:
    """In turns, so that what the machine does meanwhile falls on both."""
    folder = BUILD / f"neighbour-{time.time_ns()}"
    folder.mkdir(parents=True)
    try:
        async with running(folder / "data") as host, host.client() as http:
            idle, busy = await rounds(host, http, 1 if quick else ROUNDS, 1.0 if quick else WINDOW_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ratio = percentile(sorted(b / i for b, i in zip(busy, idle, strict=True)), 50)
    note = f"With a profile {ratio:.1f} times; its own limit on two cores is {LIMIT:g}"
    cores = len(os.sched_getaffinity(0))
    rows = [("nothing", spread(idle, ".1f")), ("a profile", spread(busy, ".1f"))]
    title = f"99th percentile of GET /api/models, ms: median (range) of {len(idle)} windows, {cores} cores"
    table = Table(title, ("while there runs", "ms"), rows, f"{note}{'' if ratio <= LIMIT else ': missed'}.")
    return Result("profiling-neighbour", [table], {"idle_ms": idle, "busy_ms": busy})


async def rounds(
    host: LocalHost, http: aiohttp.ClientSession, count: int, window_s: float
) -> tuple[list[float], list[float]]:
    """The 99th percentiles, ms, without and with a profile, in so many turns."""
    await slipway(host, "model", "push", str(MODEL), "--no-git")
    environment = json.loads((await slipway(host, "environment", "list", "-o", "json")).stdout)["items"]
    if not environment:
        declared = Path(host.data_dir).parent / "serving.yml"
        declared.write_text((ROOT / "shared" / "environments" / "curated" / "onnx-serving.yml").read_text())
        await slipway(host, "apply", "-f", str(declared))
    await slipway(host, "environment", "show", "slipway-onnx-serving", "--wait")
    await p99_ms(http, window_s)  # caches
    idle, busy = [], []
    for _ in range(count):
        idle.append(await p99_ms(http, window_s))
        profile_id = await profiled(http)
        busy.append(await p99_ms(http, window_s))
        assert (await answer(http, "GET", f"profiles/{profile_id}"))["state"] == "Running"  # it ran all the time
        await answer(http, "POST", f"profiles/{profile_id}/cancel", {})
        await until(http, profile_id, lambda one: one["state"] == "Cancelled")
    return idle, busy


async def profiled(http: aiohttp.ClientSession) -> str:
    """The id of a new profile, once its server is under load."""
    asked = {**TARGET, "environment": "slipway-onnx-serving", "sample": json.dumps(ROW)}
    made = await answer(http, "POST", "models/diabetes/versions/1/profile", asked)
    await until(http, made["profile_id"], lambda one: any("saturation" in line for line in one["log_tail"]))
    return str(made["profile_id"])


async def until(http: aiohttp.ClientSession, profile_id: str, is_so: Any) -> None:
    async with asyncio.timeout(180):
        while not is_so(found := await answer(http, "GET", f"profiles/{profile_id}")):
            assert found["state"] != "Failed", found
            await asyncio.sleep(0.1)


async def answer(http: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with http.request(method, f"/api/{path}", json=body) as response:
        assert response.status < 300, await response.text()
        return await response.json()


async def p99_ms(http: aiohttp.ClientSession, window_s: float) -> float:
    """Of requests one after the other, with a pause between two."""
    took, end = list[float](), time.perf_counter() + window_s
    while time.perf_counter() < end:
        began = time.perf_counter()
        await answer(http, "GET", "models")
        took.append((time.perf_counter() - began) * 1_000)
        await asyncio.sleep(PAUSE_S)
    return percentile(sorted(took), 99)
