"""Half an hour of everything at once (`SLIPWAY_TEST_LOAD_S` seconds): memory stays flat, no answer is wrong, latency
does not grow."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from tests.benchmarks.report import percentile
from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving

LOAD_S = float(os.environ.get("SLIPWAY_TEST_LOAD_S", "1800"))
CLIENTS = 8
SLOPE_BYTES_PER_S = 5_000  # 9 MB in half an hour: what allocators and histograms of latencies take, no leak
SETTLING_BYTES = 4_000_000  # that a short run may take without that being a slope
STEPS = 40  # looks at memory
RAW = np.array([ROW], dtype="<f4").tobytes()
INFER = json.dumps(
    {
        "inputs": [
            {"name": "measurements", "shape": [1, 10], "datatype": "FP32", "parameters": {"binary_data_size": len(RAW)}}
        ],
        "outputs": [{"name": "progression", "parameters": {"binary_data": True}}],
    }
).encode()
CSV = (",".join(f"c{index}" for index in range(10)) + "\n" + ",".join(map(str, ROW)) + "\n").encode()
JSON = {"Content-Type": "application/json"}
LENGTH = {"Inference-Header-Content-Length": str(len(INFER))}
# method, path, body, headers, expected status; often, less often, seldom
REQUESTS = (
    *[("POST", "/score", json.dumps({"data": [ROW]}).encode(), {}, 200)] * 8,
    *[("POST", "/score", json.dumps({"data": [ROW] * 100}).encode(), {"Accept-Encoding": "gzip"}, 200)] * 2,
    ("POST", "/invocations", json.dumps({"dataframe_split": {"data": [ROW]}}).encode(), {}, 200),
    ("POST", "/v2/models/diabetes/infer", INFER + RAW, LENGTH, 200),
    ("POST", "/score", CSV, {"Content-Type": "text/csv"}, 200),
    ("POST", "/score", b'{"data": [["a"]]}', {}, 422),
    ("POST", "/score", b"{", {}, 400),
    ("POST", "/score", b" " * 2_000_000, {}, 400),
    ("GET", "/nothing", b"", {}, 404),
    ("GET", "/metrics", b"", {}, 200),
    ("GET", "/swagger.json", b"", {}, 200),
)


def rss_bytes(server: ScoringServer) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def slope_of(points: list[tuple[float, int]]) -> float:
    """Bytes a second, by least squares."""
    return float(np.polyfit([at for at, _ in points], [held for _, held in points], 1)[0])


async def _client(url: str, seed: int, end_s: float, latencies: list[tuple[float, float]], wrong: list[str]) -> None:
    choose = random.Random(seed)
    while time.monotonic() < end_s:
        async with aiohttp.ClientSession(url) as session:  # now and then a new connection
            for _ in range(500):
                method, path, body, headers, status = choose.choice(REQUESTS)
                began = time.monotonic()
                async with session.request(method, path, data=body, headers={**JSON, **headers}) as response:
                    content = await response.read()
                if path == "/score" and status == 200:
                    latencies.append((began, time.monotonic() - began))
                if response.status != status:
                    wrong.append(f"{method} {path}: {response.status} {content[:200]!r}")
                await asyncio.sleep(0.002)
                if began > end_s:
                    return


@pytest.mark.slow
@pytest.mark.timeout(LOAD_S + 300)
async def test_mixed_load_leaves_memory_flat_and_latency_stable(tmp_path: Path) -> None:
    environ = {"SLIPWAY_SCORING_COLLECT_DIR": str(tmp_path / "collected")}
    with serving(tmp_path / "server", "--model", str(MODEL), **environ) as server:
        latencies: list[tuple[float, float]] = []
        wrong: list[str] = []
        began_s = time.monotonic()
        end_s = began_s + LOAD_S
        url = f"http://127.0.0.1:{server.port}"
        clients = [asyncio.create_task(_client(url, seed, end_s, latencies, wrong)) for seed in range(CLIENTS)]
        held: list[tuple[float, int]] = []
        for _ in range(STEPS):
            await asyncio.sleep(LOAD_S / STEPS)
            held.append((time.monotonic() - began_s, rss_bytes(server)))
        await asyncio.gather(*clients)
        assert wrong == []
        slope = slope_of(held[STEPS // 5 :])  # the first fifth warms up
        assert slope < SLOPE_BYTES_PER_S + SETTLING_BYTES / LOAD_S, (slope, held)
        span_s = end_s - began_s
        thirds = [
            [took for at, took in latencies if index / 3 <= (at - began_s) / span_s < (index + 1) / 3]
            for index in (0, 2)
        ]
        first, last = (percentile(each, 0.99) for each in thirds)
        assert last < 3 * first + 0.005, (first, last)
        dropped = server.metric("slipway_scoring_collect_dropped_total")
        failed = server.metric("slipway_scoring_collect_failed_total")
        assert (dropped, failed) == (0, 0)
        print(
            f"{len(latencies)} scored in {LOAD_S:g} s, memory {held[STEPS // 5][1]} to {held[-1][1]} "
            f"({slope:.0f} bytes/s), p99 {first:.4f} to {last:.4f} s"
        )
