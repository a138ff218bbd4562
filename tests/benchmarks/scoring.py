"""The scoring server beside others: the same models, the same machine, the same run, one process each, wrk."""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
from collections import defaultdict
from pathlib import Path

from tests.benchmarks import scoring_models
from tests.benchmarks.report import BUILD, Result, Table, spread
from tests.benchmarks.scoring_load import Load, Running, load, started
from tests.benchmarks.scoring_models import FEATURES
from tests.benchmarks.scoring_peers import PEERS, Peer

ROWS = (("1 row, c=1", 1, 1), ("1 row, c=16", 1, 16), ("100 rows, c=1", 100, 1))
OURS, COLLECTING, SCRIPT, FLOOR, AZUREML = (
    "Slipway",
    "Slipway, collecting 100 %",
    "Slipway, entry script",
    "bare ASGI on uvicorn (the floor)",
    "azureml-inference-server-http",
)


async def measure(quick: bool) -> Result:
    """Per model all servers run side by side, idle but the one that is loaded; rounds are interleaved."""
    return await asyncio.to_thread(_measure, quick)


def _measure(quick: bool) -> Result:
    rounds, seconds = (1, 1.0) if quick else (3, 1.0)
    folder = BUILD / "scoring"
    tables, samples = [], {}
    starts = _starts(folder, 1 if quick else 2)
    for title, model in scoring_models.make(folder / "models").items():
        loads, memory = _loads(model, folder / "work", rounds, seconds)
        tables.append(_table(title, loads, memory, starts if title == "gradient boosting" else None, rounds, seconds))
        samples[title] = {
            peer: {case: [vars(each) for each in found] for case, found in cases.items()}
            for peer, cases in loads.items()
        }
    samples["start_s"] = starts
    return Result("scoring", tables, samples)


def _rows(count: int) -> list[list[float]]:
    made = random.Random(7)
    return [[round(made.random(), 6) for _ in range(FEATURES)] for _ in range(count)]


def _starts(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds from the process's start to its first answer to a request that scores."""
    model = scoring_models.make(folder / "models")["gradient boosting"]
    found: dict[str, list[float]] = defaultdict(list)
    for index in range(rounds + 1):
        for peer in PEERS:
            with started(peer, model, folder / "work" / _slug(peer), _rows(1)) as running:
                if index:  # the first round fills the page cache and writes .pyc files
                    found[peer.name].append(running.start_s)
    return found


def _slug(peer: Peer) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in peer.name.lower())


def _loads(
    model: Path, work: Path, rounds: int, seconds: float
) -> tuple[dict[str, dict[str, list[Load]]], dict[str, float]]:
    loads: dict[str, dict[str, list[Load]]] = defaultdict(lambda: defaultdict(list))
    with contextlib.ExitStack() as stack:
        servers: list[Running] = [
            stack.enter_context(started(peer, model, work / _slug(peer), _rows(1))) for peer in PEERS
        ]
        for running in servers:
            load(running, _rows(1), 16, min(seconds, 1.0), work)  # warm
        for _ in range(rounds):
            for case, count, concurrency in ROWS:
                for running in servers:
                    found = load(running, _rows(count), concurrency, seconds, work)
                    loads[running.peer.name][case].append(found)
        memory = {running.peer.name: running.peak_mb() for running in servers}
    return loads, memory


def _table(
    title: str,
    loads: dict[str, dict[str, list[Load]]],
    memory: dict[str, float],
    starts: dict[str, list[float]] | None,
    rounds: int,
    seconds: float,
) -> Table:
    columns = ("server", *(f"{case}: requests/s" for case, _, _ in ROWS), "p50 / p99 ms, c=1", "c=16")
    columns += (*(f"CPU µs, {case}" for case, _, _ in ROWS), "peak MB")
    columns += ("start s",) if starts else ()
    rows = []
    for peer, cases in loads.items():
        rates = [spread([each.requests_per_s for each in cases[case]]) for case, _, _ in ROWS]
        latencies = [_latency(cases[case]) for case, _, _ in ROWS[:2]]
        start = (f"{statistics.median(starts[peer]):.2f}",) if starts else ()
        cpu = [f"{statistics.median(each.cpu_us for each in cases[case]):.0f}" for case, _, _ in ROWS]
        rows.append((peer, *rates, *latencies, *cpu, f"{memory[peer]:.0f}", *start))
    return Table(f"{title.capitalize()}, one process", columns, rows, _note(loads, rounds, seconds))


def _latency(found: list[Load]) -> str:
    middle = (statistics.median(each.p50_ms for each in found), statistics.median(each.p99_ms for each in found))
    return f"{middle[0]:.2f} / {middle[1]:.1f}"


def _note(loads: dict[str, dict[str, list[Load]]], rounds: int, seconds: float) -> str:
    said = []
    for case, _, _ in ROWS:
        rate = {peer: statistics.median(each.requests_per_s for each in cases[case]) for peer, cases in loads.items()}
        cpu = {peer: statistics.median(each.cpu_us for each in cases[case]) for peer, cases in loads.items()}
        said.append(
            f"{case}: {rate[OURS] / rate[FLOOR]:.0%} of the floor, {rate[OURS] / rate[AZUREML]:.1f} times "
            f"azureml-inference-server-http (with the same entry script {rate[SCRIPT] / rate[AZUREML]:.1f} times); "
            f"collecting, {rate[COLLECTING] / rate[OURS]:.0%} of not collecting; processor time for a request is "
            f"{cpu[OURS] / cpu[FLOOR]:.2f} of the floor's and {cpu[AZUREML] / cpu[OURS]:.1f} times smaller than "
            "azureml-inference-server-http's"
        )
    return (
        f"{'. '.join(said)}. Medians of {rounds} interleaved rounds of {seconds:g} s, with their range; wrk with one "
        "thread shares the two cores with the server. Peak memory and processor time are sums over its processes."
    )
