"""A day of collected data: its run over 24 stored sketches, beside its run over the rows and reading them once."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.drift import Run
from tests.benchmarks.drift import _run as run_process
from tests.benchmarks.report import BUILD, Result, Table, spread

FOLDER = BUILD / "collected-hours"
HOURS, COLUMNS, LINES = 24, 10, 20_000  # lines of an hour, a row each
DAY = datetime(2026, 6, 1, tzinfo=UTC)
READ = """
import sys
from shared.monitoring.rows import Rows
from shared.resources.monitor_request import DataFile, DataSet
rows = Rows(DataSet(files=[DataFile(path=path, format="collected") for path in sys.argv[1:]]))
for batch in rows.batches(list(rows.schema)):
    pass
"""


async def measure(quick: bool) -> Result:
    """The statistics alone, as processes; what is fetched and stored around them is not in it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    count = LINES // (20 if quick else 1)
    files = [_hour(hour, count) for hour in range(HOURS)]
    baseline = _baseline(files[0])
    hours = [_sketched(hour, path, baseline) for hour, path in enumerate(files)]
    by_rows = _request("rows", baseline, files=[_file(path) for path in files])
    by_sketches = _request("sketches", baseline, hours=[found for found, _ in hours])
    lines = {
        "run over the rows": [sys.executable, "-m", "shared.monitoring.worker", str(by_rows), str(FOLDER / "a.json")],
        "run over 24 sketches": [
            sys.executable, "-m", "shared.monitoring.worker", str(by_sketches), str(FOLDER / "b.json"),
        ],
        "reading the rows once, and nothing else": [sys.executable, "-c", READ, *map(str, files)],
    }  # fmt: skip
    runs = {name: [run_process(line) for _ in range(1 if quick else 3)] for name, line in lines.items()}
    runs["sketching an hour, when it is over"] = [run for _, run in hours]
    _check(FOLDER / "a.json", FOLDER / "b.json")
    return Result(
        "collected-hours", [_table(runs, count)], {name: [asdict(one) for one in each] for name, each in runs.items()}
    )


def _hour(hour: int, count: int) -> Path:
    rng = np.random.default_rng(hour)
    values = rng.normal(0.05 * hour, 1, (count, COLUMNS)).round(6).tolist()
    path = FOLDER / f"{hour:02}-{count}.jsonl"
    with path.open("w") as file:
        for number, row in enumerate(values):
            when = DAY + timedelta(hours=hour, seconds=3600 * number / count)
            said = {
                "specversion": "1.0",
                "id": f"{hour}-{number}",
                "time": when.isoformat(),
                "correlationid": str(number),
            }
            file.write(json.dumps({**said, "data": [{f"n{place}": value for place, value in enumerate(row)}]}) + "\n")
    return path


def _file(path: Path) -> dict[str, str]:
    return {"path": str(path), "format": "collected"}


def _baseline(path: Path) -> Path:
    (FOLDER / "data.json").write_text(json.dumps({"files": [_file(path)]}))
    sketch = FOLDER / "baseline.sketch"
    run_process([sys.executable, "-m", "shared.monitoring.sketch", str(FOLDER / "data.json"), str(sketch)])
    return sketch


def _sketched(hour: int, path: Path, baseline: Path) -> tuple[dict[str, Any], Run]:
    reading, out = FOLDER / "reading.json", FOLDER / f"out-{hour}"
    reading.write_text(json.dumps({"files": [_file(path)], "baselines": {"sketch": str(baseline)}}))
    run = run_process([sys.executable, "-m", "shared.monitoring.window", str(reading), str(out)])
    found = json.loads((out / "found.json").read_text())
    kept = {"window": str(hour), "sketch": str(out / "sketch"), "ids": str(out / "ids")}
    return {**kept, "columns": found["columns"], "counts": found["counts"]}, run


def _request(name: str, baseline: Path, **production: Any) -> Path:
    window = {"window_start": DAY.isoformat(), "window_end": (DAY + timedelta(days=1)).isoformat()}
    signal = {"name": "drift", "type": "data_drift", "production": {**window, **production}}
    signal["reference"] = {"sketches": [str(baseline)]}
    said = {"monitor": "bench", "run_id": "1", "created_at": DAY.isoformat(), "signals": [signal]}
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(said))
    return path


def _check(first: Path, second: Path) -> None:
    """Raises RuntimeError unless both count the same rows."""
    rows = [json.loads(path.read_text())["signals"][0]["counts"]["rows"] for path in (first, second)]
    if rows[0] != rows[1] or not rows[0]:
        raise RuntimeError(f"the rows are {rows[0]}, and of the sketches {rows[1]}")


def _table(runs: dict[str, Sequence[Run]], count: int) -> Table:
    once = min(one.wall_s for one in runs["reading the rows once, and nothing else"])
    rows = []
    for name, found in runs.items():
        wall, cpu = [one.wall_s for one in found], [one.cpu_s for one in found]
        rows.append((name, spread(wall, ".2f"), spread(cpu, ".2f"), f"{min(wall) / once:.2f}x"))
    title = f"A day of {HOURS} x {count:,} requests of {COLUMNS} numbers"
    return Table(title, ("process", "seconds", "processor seconds", "by reading once"), rows)
