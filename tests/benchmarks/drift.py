"""Drift: whole processes from Parquet files to the result, warm comparisons with a stored sketch, and data that are
larger than memory should be asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.drift_peers import PEERS, WORKER
from tests.benchmarks.report import BUILD, ROOT, Result, Table, clean_environment, spread

FOLDER = BUILD / "drift"
ROWS, NUMBERS, TEXTS = 100_000, 50, 10
MANY, WIDE, PART = 10_000_000, 20, 500_000
WARM = """
import json, sys, time
from pathlib import Path
from shared.monitoring.run import run
from shared.resources.monitor_request import MonitorRequest
request = MonitorRequest.model_validate_json(Path(sys.argv[1]).read_bytes())
run(request)
for _ in range(int(sys.argv[2])):
    wall, cpu = time.perf_counter(), time.process_time()
    run(request)
    print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]))
"""
# A small process starts each one: until it has replaced itself, a process counts as large as the one that forked it.
LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
wall = time.perf_counter() - began
print(json.dumps({"wall_s": wall, "cpu_s": used.ru_utime + used.ru_stime, "memory_bytes": used.ru_maxrss * 1024,
                  "code": os.waitstatus_to_exitcode(status)}))
"""
READ = """
import sys
import pyarrow.parquet as pq
for batch in pq.ParquetFile(sys.argv[1], pre_buffer=False).iter_batches(131072, use_threads=False):
    pass
"""


@dataclass(frozen=True)
class Run:
    """One whole process."""

    wall_s: float
    cpu_s: float
    memory_bytes: int  # at most, resident


async def measure(quick: bool) -> Result:
    """Rounds of every peer in turns; then what only Slipway does."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    base, current = _tables(10_000 if quick else ROWS)
    request = _request(FOLDER / "request.json", base, current)
    commands = {peer.name: (peer.line(base, current), peer.codes) for peer in PEERS}
    commands[WORKER] = (_worker(request), (0,))
    runs: dict[str, list[Run]] = {name: [] for name, (line, _) in commands.items() if line}
    for _ in range(1 if quick else 3):
        for name, (line, codes) in commands.items():
            if line:
                runs[name].append(_run(line, codes))
                print(f"{name}: {runs[name][-1].wall_s:.2f} s", flush=True)
    warm = _warm(base, current, 3 if quick else 30)
    large = _large(200_000 if quick else MANY)
    samples: dict[str, Any] = {name: [asdict(one) for one in found] for name, found in (runs | large).items()}
    return Result("drift", [_whole(runs), _warm_table(warm), _large_table(large)], samples | {"warm": warm})


def _tables(rows: int) -> tuple[Path, Path]:
    rng = np.random.default_rng(10)
    paths = []
    for name, shift in (("base", 0.0), ("current", 0.2)):
        columns: dict[str, Any] = {f"n{place}": rng.normal(shift * (place < 5), 1, rows) for place in range(NUMBERS)}
        columns |= {f"t{place}": rng.choice(list("abcdefgh"), rows) for place in range(TEXTS)}
        paths.append(FOLDER / f"{name}-{rows}.parquet")
        pq.write_table(pa.table(columns), paths[-1])
    return paths[0], paths[1]


def _many(name: str, rows: int, shift: float) -> Path:
    """Written in parts, so that this process stays small, too."""
    path, rng = FOLDER / f"{name}-{rows}x{WIDE}.parquet", np.random.default_rng(len(name))
    names = [f"n{place}" for place in range(WIDE)]
    schema = pa.schema([(one, pa.float64()) for one in names])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, PART):
            size = min(PART, rows - start)
            writer.write_table(pa.table({one: rng.normal(shift, 1, size) for one in names}, schema=schema))
    return path


def _request(path: Path, base: Path | str, current: Path, **reference: str) -> Path:
    files = {"files": [{"path": str(base)}]} if base else {}
    signal = {"name": "drift", "type": "data_drift", "production": {"files": [{"path": str(current)}]}}
    signal["reference"] = {**files, **reference}
    document = {"monitor": "bench", "run_id": "1", "created_at": datetime.now(UTC).isoformat(), "signals": [signal]}
    path.write_text(json.dumps(document))
    return path


def _stored(path: Path, sketch: Path, current: Path) -> Path:
    """A request that compares with a stored sketch."""
    document = json.loads(_request(path, "", current).read_text())
    document["signals"][0]["reference"] = {"sketches": [str(sketch)]}
    path.write_text(json.dumps(document))
    return path


def _worker(request: Path) -> list[str]:
    return [sys.executable, "-m", "shared.monitoring.worker", str(request), f"{request}.result"]


def _run(line: Sequence[str], codes: Sequence[int] = (0,)) -> Run:
    """Raises RuntimeError when it ends with another exit code."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, *line],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    if found.pop("code") not in codes:
        raise RuntimeError(f"{line[:4]} failed: {done.stderr[-500:]}")
    return Run(**found)


def _warm(base: Path, current: Path, times: int) -> list[list[float]]:
    sketch = FOLDER / "base.sketch"
    _run(_worker(_request(FOLDER / "sketch.json", base, current, save_sketch=str(sketch))))
    request = _stored(FOLDER / "warm.json", sketch, current)
    line = [sys.executable, "-c", WARM, str(request), str(times)]
    said = subprocess.run(line, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True).stdout
    return [json.loads(one) for one in said.splitlines()]


def _large(rows: int) -> dict[str, list[Run]]:
    base, current = _many("base", rows, 0.0), _many("current", rows, 0.05)
    sketch = FOLDER / "many.sketch"
    title = f"{rows:,} x {WIDE}"
    both = _run(_worker(_request(FOLDER / "many.json", base, current, save_sketch=str(sketch))))
    daily = _worker(_stored(FOLDER / "daily.json", sketch, current))
    rounds = [(_run(daily), _run([sys.executable, "-c", READ, str(current)])) for _ in range(3)]
    return {
        f"{title}, both sides streamed": [both],
        f"{title}, against a stored sketch": [one for one, _ in rounds],
        f"{title}, read once and nothing else": [one for _, one in rounds],
    }


def _whole(runs: dict[str, list[Run]]) -> Table:
    ours = min(one.cpu_s for one in runs[WORKER])
    rows = []
    for name, found in runs.items():
        least = min(one.cpu_s for one in found)
        rows.append((name, *_cells(found), f"{least / ours:.1f}x"))
    note = "Processor time counts all cores; the last column is the least of it by the least of Slipway's."
    columns = ("process", "seconds", "processor seconds", "MB at most", "processor time")
    return Table("Two Parquet files compared, whole processes", columns, rows, note)


def _cells(found: Sequence[Run]) -> tuple[str, str, str]:
    memory = max(one.memory_bytes for one in found) / 1e6
    return spread([one.wall_s for one in found], ".2f"), spread([one.cpu_s for one in found], ".2f"), f"{memory:.0f}"


def _warm_table(warm: Sequence[Sequence[float]]) -> Table:
    row = (spread([1000 * one[0] for one in warm], ".0f"), spread([1000 * one[1] for one in warm], ".0f"))
    return Table("Warm, against a stored sketch, from the Parquet file on", ("milliseconds", "processor ms"), [row])


def _large_table(large: dict[str, list[Run]]) -> Table:
    rows = [(name, *_cells(found)) for name, found in large.items()]
    return Table("Data larger than what is kept", ("process", "seconds", "processor seconds", "MB at most"), rows)
