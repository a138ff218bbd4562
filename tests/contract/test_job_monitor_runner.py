"""Components of custom signals in jobs of a cluster: others' code, which Slipway's identity is kept from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.adapters.jobs.monitor_runner import AN_IMAGE, JobMonitorRunner
from shared.ports import AssetData, ComponentRun, MonitorRunRequest
from shared.resources.data_profile import DataPart, DataTable
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.model import ModelFile
from shared.resources.monitor_request import DataSet, MonitorRequest, SignalRequest
from shared.resources.monitor_result import SignalResult
from tests.contract.azure_jobs import JobsPlace, jobs_place

SCRIPT = b"""
import csv, json, os, sys
rows, out = sys.argv[1:]
values = [float(row["a"]) for row in csv.DictReader(open(rows))]
found = {"sum": sum(values), "told": len([name for name in os.environ if name.startswith("AZURE_")])}
with open(out + "/metrics.jsonl", "w") as file:
    for name, value in found.items():
        file.write(json.dumps({"metric_name": name, "metric_value": value, "threshold_value": 10}) + "\\n")
"""
RECIPE = EnvironmentRecipe(python_version="3.11")


async def stored(place: JobsPlace, path: str, content: bytes) -> ModelFile:
    async def once() -> AsyncIterator[bytes]:
        yield content

    made = await place.artifacts.put(once())
    return ModelFile(path=path, sha256=made.sha256, size_bytes=made.size_bytes)


def signal(name: str) -> SignalRequest:
    return SignalRequest(
        name=name, type="custom", production=DataSet(label="metrics"), inputs={"rows": DataSet(label="rows:1")}
    )


async def request(place: JobsPlace) -> MonitorRunRequest:
    rows = await stored(place, "rows.csv", b"a\n7\n8\n")
    script = await stored(place, "metrics.py", SCRIPT)
    run = ComponentRun(
        command="python metrics.py ${{inputs.rows}} ${{outputs.signal_metrics}}",
        values={},
        folders=frozenset(),
        variables={},
        files=(script,),
        code="",
        environment="slipway.azurecr.io/slipway/environments@sha256:1",
        recipe=RECIPE,
    )
    signals = [signal(name) for name in ("good", "failing", "image")]
    asked = MonitorRequest(monitor="watch", run_id="m-1", created_at=datetime(2026, 11, 1, tzinfo=UTC), signals=signals)
    table = DataTable(parts=[DataPart(file=rows, format="csv")])
    components = {
        "good": run,
        "failing": replace(run, command="echo no such column; exit 3"),
        "image": replace(run, recipe=None),
    }
    return MonitorRunRequest(asked, {}, {"rows:1": AssetData(table)}, place.artifacts.read, components=components)


@pytest.mark.slow
async def test_a_component_measures_without_the_identity_and_one_that_fails_harms_no_other(tmp_path: Path) -> None:
    async with jobs_place(tmp_path) as place:
        runner, asked, run_id = JobMonitorRunner(place.works, 60), await request(place), ""
        async with asyncio.timeout(60):
            while not ((seen := await runner.advance(asked, run_id)).result or seen.error):
                run_id = seen.run_id
                await asyncio.sleep(0.05)
        assert seen.result is not None, seen
        found: dict[str, SignalResult] = {one.name: one for one in seen.result.signals}
        measured = {one.metric: (one.value, one.verdict.value) for one in found["good"].metrics}
        assert measured == {"sum": (15, "Breached"), "told": (0, "Healthy")}
        assert "no such column" in found["failing"].reason
        assert AN_IMAGE in found["image"].reason
        assert place.identities() == {"fetch": True, "run": False, "job": True}
        assert place.azure.tokens.pods_token not in place.applied()
