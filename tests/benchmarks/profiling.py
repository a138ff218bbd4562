"""Profiles of the example model: how long one takes, whether two agree, and whether wrk sees the same latency."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import shutil
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shared.profiling.cgroups import Limits
from shared.profiling.plan import Cores, ProfilePlan, divided_cores
from shared.profiling.probe import GB, Probe
from shared.profiling.profile import profile
from shared.profiling.samples import read_samples
from shared.profiling.search import Measure
from shared.profiling.server import Server, ServerPlan, serving
from shared.resources.profile import ProfileResult
from tests.benchmarks.report import BUILD, ROOT, Result, Table, spread

MODEL = ROOT / "examples" / "diabetes"
ROWS = [[0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02], [0.0] * 10, [0.01] * 10]
TARGETS = ((50.0, 50.0), (1_000.0, 50.0))  # requests per second, 99th percentile in ms
GOAL_S, GOAL_SAME, GOAL_P99 = 90.0, 0.9, 0.10
RATES = (200.0, 1_000.0)
CLIENTS = 64
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


async def measure(quick: bool) -> Result:
    """Whole profiles one after the other, then wrk and Slipway's own load in turns on one server."""
    folder = BUILD / f"profiling-{time.time_ns()}"
    folder.mkdir(parents=True)
    try:
        sample = folder / "sample.jsonl"
        sample.write_text("".join(json.dumps({"data": [row]}) + "\n" for row in ROWS))
        runs = {target: await _profiles(sample, target, 1 if quick else 5) for target in TARGETS}
        tables = [_profile_table(runs)]
        samples: dict[str, object] = {
            f"{rate:g}/s": [each.result.as_json() for each in found] for (rate, _), found in runs.items()
        }
        if shutil.which("wrk") is None:
            tables[0].note += " wrk is not installed: its 99th percentile was not compared."
        else:
            compared = await _compared(sample, folder, 1 if quick else 7)
            tables.append(_wrk_table(compared))
            samples["wrk"] = {f"{rate:g}/s": pairs for rate, pairs in compared.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Result("profiling", tables, samples)


@dataclass(frozen=True, slots=True)
class _Run:
    elapsed_s: float
    result: ProfileResult

    @property
    def recommended(self) -> tuple[float | None, float | None]:
        return self.result.recommended_cpu, self.result.recommended_memory_in_gb


async def _profiles(sample: Path, target: tuple[float, float], count: int) -> list[_Run]:
    found = []
    for seed in range(count):
        plan = ProfilePlan(MODEL, sample, *target, seed=seed)
        began = time.perf_counter()
        result = await profile(plan)
        found.append(_Run(time.perf_counter() - began, result))
        print(f"  {target[0]:g}/s: {found[-1].recommended} in {found[-1].elapsed_s:.0f} s", flush=True)
    return found


async def _compared(sample: Path, folder: Path, rounds: int) -> dict[float, list[tuple[float, float, float]]]:
    """For each rate: the rate that wrk reached, its 99th percentile, and Slipway's at that rate."""
    cores = divided_cores()
    script = folder / "think.lua"
    found: dict[float, list[tuple[float, float, float]]] = {}
    async with serving(ServerPlan(MODEL, cores=cores.server), Limits(1, GB)) as server:
        probe = Probe(read_samples(sample), "/score", 10.0, cores.generator, seed=1)
        await probe.warm_up(server)
        for rate in RATES:
            script.write_text(_lua(rate, json.dumps({"data": [ROWS[0]]})))
            found[rate] = []
            for number in range(rounds):
                reached, p99_ms = await _wrk(server, script, cores)
                point = await probe.measure(server, Measure("target", 1, 1, reached), number)
                found[rate].append((reached, p99_ms, point.latency_percentile_99_in_ms))
    return found


def _lua(rate: float, body: str) -> str:
    """Many clients that think for exponentially long times: nearly a Poisson process, while answers take no time."""
    mean_ms = 1_000 * CLIENTS / rate
    return (
        f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        f"function delay() return math.floor(-math.log(1 - math.random()) * {mean_ms} + math.random()) end\n"
    )


async def _wrk(server: Server, script: Path, cores: Cores) -> tuple[float, float]:
    pinned = f'echo -20 > /proc/self/autogroup; exec nice -n -20 taskset -c {cores.generator[0]} wrk "$@"'
    url = f"http://127.0.0.1:{server.port}/score"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", pinned, "sh", "-t1", f"-c{CLIENTS}", "-d8s", "--latency", "-s", str(script), url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
        start_new_session=True,
    )
    told = (await process.communicate())[0].decode()
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", told), re.search(r"99%\s+([\d.]+)(us|ms|s)", told)
    assert rate is not None, told
    assert p99 is not None, told
    assert "Non-2xx" not in told, told
    return float(rate[1]), float(p99[1]) * _UNITS_MS[p99[2]]


def _profile_table(runs: dict[tuple[float, float], list[_Run]]) -> Table:
    rows, notes = [], []
    for (rate, p99_ms), found in runs.items():
        times = [run.elapsed_s for run in found]
        counts = Counter(run.recommended for run in found)
        (cpu, memory_gb), most = counts.most_common(1)[0]
        proven = sum(run.result.proven for run in found)
        recommended = f"{cpu:g} CPU, {memory_gb:g} GB" if cpu and memory_gb else "nothing"
        rows.append(
            (
                f"{rate:g}/s within {p99_ms:g} ms",
                spread(times, ".0f"),
                recommended,
                f"{most} of {len(found)}",
                str(proven),
            )
        )
        notes.append(f"{rate:g}/s: {_told(max(times) < GOAL_S)} and {_told(most / len(found) >= GOAL_SAME)}")
    columns = ("target", "s: median (range)", "most often recommended", "how often", "proven")
    goals = f"Goals: under {GOAL_S:.0f} s, and the same in {GOAL_SAME:.0%} of the tries: {'; '.join(notes)}."
    return Table("Profiles of the example model", columns, rows, goals)


def _wrk_table(compared: dict[float, list[tuple[float, float, float]]]) -> Table:
    rows, notes = [], []
    for rate, found in compared.items():
        reached, wrk, own = (statistics.median(each) for each in zip(*found, strict=True))
        off = own / wrk - 1 if wrk else math.inf
        each = [spread([one[index] for one in found], ".2f") for index in (1, 2)]
        rows.append((f"{reached:.0f}/s", *each, f"{off:+.0%}"))
        notes.append(f"{rate:g}/s: {_told(abs(off) <= GOAL_P99)}")
    columns = ("rate", "wrk", "Slipway", "difference")
    note = f"Goal: within {GOAL_P99:.0%}: {'; '.join(notes)}. In turns on one server with 1 CPU."
    return Table("99th percentile at the same rate, ms: median (range)", columns, rows, note)


def _told(reached: bool) -> str:
    return "reached" if reached else "missed"
