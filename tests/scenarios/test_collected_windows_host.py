"""A real host, real files, and kills in between: hours are sketched, none twice at once, and runs take them."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.scenarios.local_host import LocalHost, running, wait_until
from tests.scenarios.rest import get
from tests.scenarios.test_monitor_commands import stopped
from tests.scenarios.test_monitor_crash import begin, declared
from tests.scenarios.test_registry_commands import slipway

HOURS, LINES = 6, 400
SETTINGS = {"SLIPWAY_COLLECTED_SETTLE_S": "0.5"}


def collect(data_dir: Path, hours_ago: int, name: str, first: int = 0) -> None:
    """Append what an instance of the deployment would have collected in an hour."""
    when = datetime.now(UTC) - timedelta(hours=hours_ago)
    folder = data_dir / "collected" / "live" / "blue" / "model_inputs" / f"{when:%Y/%m/%d/%H}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("a") as file:
        for number in range(first, first + LINES):
            line = {"id": f"{hours_ago}-{name}-{number}", "time": when.isoformat(), "correlationid": f"c{number}"}
            file.write(json.dumps({**line, "data": [{"a": number % 17, "b": number % 5}]}) + "\n")


async def counts(http: aiohttp.ClientSession) -> dict[str, Any]:
    """What a run read."""
    run_id = await begin(http)

    async def found() -> dict[str, Any] | None:
        one = await get(http, f"/api/monitor-runs/{run_id}")
        return one if one["run"]["phase"] not in ("Pending", "Running") else None

    ended = await wait_until(found, 150, "the run has ended", poll_s=0.3)
    assert ended is not None
    assert ended["run"]["phase"] == "Succeeded", ended["run"]
    result: dict[str, Any] = ended["result"]["signals"][0]["counts"]
    return result


@pytest.mark.slow
async def test_hours_whose_host_is_killed_again_and_again_are_sketched_all_the_same(tmp_path: Path) -> None:
    rng = random.Random(20261127)
    data_dir = tmp_path / "data"
    async with running(data_dir, **SETTINGS) as host, stopped(data_dir / "endpoints"):
        async with host.client() as http:
            await declared(host, tmp_path / "declared")

            async def is_profiled() -> bool:
                return bool((await get(http, "/api/data/baseline/versions/1"))["phase"] == "Profiled")

            await wait_until(is_profiled, 60, "the baseline is profiled", poll_s=0.2)
        for hour in range(HOURS):
            collect(data_dir, hour + 2, "one")
            collect(data_dir, hour + 2, "two")
            if hour % 2:
                await asyncio.sleep(rng.uniform(0, 3))
                await host.restart()
        collect(data_dir, 3, "one", LINES)  # grown
        total = (2 * HOURS + 1) * LINES
        async with host.client() as http:

            async def from_sketches() -> bool:
                found = await counts(http)
                assert (found["rows"], found["duplicate_lines"], found["corrupt_lines"]) == (total, 0, 0)
                return bool(found["sketched_rows"] == total)

            await wait_until(from_sketches, 240, "all hours are sketched", poll_s=2)
        shown = (await slipway(host, "monitor", "hours", "watch")).stdout
        assert shown.count("Sketched") == HOURS, shown
        check(host)


def check(host: LocalHost) -> None:
    """Nothing of the readings is left, and the databases are sound."""
    folder = host.data_dir / "monitor-runs" / "windows"
    assert [one.name for one in folder.glob("w-*")] == []
    host.check_databases()
