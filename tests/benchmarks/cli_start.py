"""What a `slipway` command costs before it does anything, beside the commands that its users know. Whole processes."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread
from tests.scenarios.local_host import running
from tests.scenarios.rest import push

GOAL_MS = 200.0


async def measure(quick: bool) -> Result:
    """`slipway --help`, a command that asks the server, and bare Python, interleaved."""
    rounds = 3 if quick else 31
    folder = BUILD / f"cli-start-{time.time_ns()}"
    try:
        async with running(folder / "data") as host, host.client() as http:
            await push(http, "a", {"model.bin": b"a model"})
            slipway = str(Path(sys.executable).with_name("slipway"))
            commands = {
                "python alone": [sys.executable, "-c", "pass"],
                "slipway --help": [slipway, "--help"],
                "slipway model show a:1": [slipway, "--data-dir", str(host.data_dir), "model", "show", "a:1"],
            }
            times = _times(commands, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows = [(f"`{name}`", spread(values)) for name, values in times.items()]
    reached = all(statistics.median(values) < GOAL_MS for values in times.values())
    note = f"Goal: under {GOAL_MS:.0f} ms: {'reached' if reached else 'missed'}."
    return Result("cli-start", [Table("Whole process, ms: median (range)", ("command", "ms"), rows, note)], times)


def _times(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in commands}
    for index in range(rounds + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, cwd=ROOT, env=clean_environment(), capture_output=True, check=True)
            if index:  # the first round fills the page cache
                times[name].append((time.perf_counter() - began) * 1000)
    return times
