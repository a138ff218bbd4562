"""`slipway data` against a real `slipway up`, also one that is killed while it reads."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.scenarios.local_host import running, wait_until
from tests.scenarios.rest import get
from tests.scenarios.test_data_assets import CSV
from tests.scenarios.test_registry_commands import slipway

ROWS = 400_000  # reading them takes a second or two


async def test_data_are_created_listed_and_shown(tmp_path: Path) -> None:
    (csv := tmp_path / "patients.csv").write_text(CSV)
    (folder := tmp_path / "table").mkdir()
    (folder / "MLTable").write_text("paths: [{file: ./a.txt}]\ntransformations: [read_delimited]\n")
    (folder / "a.txt").write_text(CSV)
    async with running(tmp_path / "data") as host:
        assert "no data assets" in (await slipway(host, "data", "list")).stdout
        said = (await slipway(host, "data", "create", "patients", str(csv), "--tag", "owner=ml")).stdout
        assert "Profiled" in said
        assert "600" in said
        again = json.loads((await slipway(host, "data", "create", "patients", str(csv), "-o", "json")).stdout)
        assert (again["version"], again["tags"]) == ("1", {})
        made = json.loads((await slipway(host, "data", "create", "table", str(folder), "-o", "json")).stdout)
        assert (made["type"], made["phase"], made["rows"]) == ("mltable", "Profiled", 600)
        (declared := tmp_path / "data.yml").write_text("name: broken\ntype: uri_file\npath: broken.parquet\n")
        (tmp_path / "broken.parquet").write_text("no parquet")
        broken = await slipway(host, "data", "create", "-f", str(declared), code=4)
        assert "broken.parquet is not a Parquet file" in broken.stdout
        assert str(tmp_path / "data") not in broken.stdout
        listed = (await slipway(host, "data", "list")).stdout
        assert listed.index("broken:1") < listed.index("table:1") < listed.index("patients:1")
        shown = (await slipway(host, "data", "show", "patients")).stdout
        assert "N (300), S (300)" in shown
        document = json.loads((await slipway(host, "data", "show", "patients:1", "-o", "json")).stdout)
        assert [one["columnName"] for one in document["profile"]["columns"]] == ["age", "site"]
        assert "Profiled" in (await slipway(host, "data", "profile", "patients")).stdout
        await slipway(host, "data", "show", "none", code=3)
        (tmp_path / "job.yml").write_text("name: serve\npip: [colorama==0.4.6]\n")
        await slipway(host, "data", "create", "-f", str(tmp_path / "job.yml"), code=2)
        await slipway(host, "data", "create", "patients", code=2)


@pytest.mark.parametrize("after_s", [pytest.param(0.0, marks=pytest.mark.slow), 0.5])
async def test_a_reading_whose_control_plane_is_killed_ends_after_the_restart(after_s: float, tmp_path: Path) -> None:
    (csv := tmp_path / "rows.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(ROWS)))
    async with running(tmp_path / "data") as host, host.client() as http:
        await slipway(host, "data", "create", "rows", str(csv), "--no-wait")
        await asyncio.sleep(after_s)
        await host.restart()

        async def ended() -> bool:
            found = await get(http, "/api/data/rows/versions/1")
            return found["phase"] not in ("Pending", "Profiling")

        await wait_until(ended, 150, "the data are profiled", poll_s=0.5)
        found = await get(http, "/api/data/rows/versions/1")
        assert (found["phase"], found["rows"]) == ("Profiled", ROWS)
        assert not list((tmp_path / "data" / "monitor-runs" / "profiles").glob("d-*"))
        events = (await get(http, "/api/events?limit=1000"))["items"]
        assert len([event for event in events if "DataProfiled" in json.dumps(event)]) == 1
