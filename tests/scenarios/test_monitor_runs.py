"""A monitor run by a control plane: what a deployment collected, the statistics in a process, drift announced."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.adapters.local.endpoint_processes import stop_all
from shared.bootstrap import ControlPlane
from shared.ports import RecordQuery
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import KIND
from tests.plane import CAUSE, make_plane
from tests.scenarios.test_endpoints import base, bearer, declare, deployment, ready, until
from tests.scenarios.test_images import call

COLLECTOR = 'data_collector: {collections: {model_inputs: {enabled: "true"}}}\n'
REFERENCE = "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n" + (
    "name: baseline\nversion: 1\ntype: uri_file\npath: baseline.jsonl\n"
)
MONITOR = """$schema: https://azuremlschemas.azureedge.net/latest/monitorSchedule.schema.json
name: watch
trigger: {type: recurrence, frequency: day, interval: 1}
create_monitor:
  compute: {instance_type: standard_e4s_v3, runtime_version: "3.4"}
  monitoring_target: {ml_task: regression, endpoint_deployment_id: "azureml:live:blue"}
  monitoring_signals:
    inputs:
      type: data_drift
      alert_enabled: true
      production_data: {data_window: {lookback_window_size: P1D, lookback_window_offset: P0D}}
      reference_data: {input_data: {type: uri_file, path: "azureml:baseline:1"}, data_context: training}
      metric_thresholds: {numerical: {jensen_shannon_distance: 0.3}}
"""
ROWS = 120


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    made = make_plane(tmp_path / "data")
    yield made
    await stop_all(tmp_path / "data" / "endpoints")


def row(number: int, shift: float) -> list[float]:
    return [shift + ((number * (place + 3)) % 17) / 100 for place in range(10)]


async def ask_endpoint(plane: ControlPlane, uri: str, shift: float) -> None:
    headers = await bearer(plane) | {"azureml-model-deployment": "blue"}
    async with aiohttp.ClientSession() as http:
        for number in range(ROWS):
            async with http.post(uri, json={"data": [row(number, shift)]}, headers=headers) as answer:
                assert answer.status == 200


async def collected(folder: Path) -> list[str]:
    """All names of columns, when all requests are written."""
    async with asyncio.timeout(30):
        while True:
            lines = [line for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
            if len(lines) >= ROWS:
                return sorted(json.loads(lines[0])["data"][0])
            await asyncio.sleep(0.1)


async def run(plane: ControlPlane) -> Any:
    made = await call(plane, "run_monitor", 202, name="watch")
    run_id = made["monitor_run_id"]
    async with asyncio.timeout(60):
        while True:
            found = await call(plane, "get_monitor_run", 200, monitor_run_id=run_id)
            if found["run"]["phase"] not in ("Pending", "Running"):
                return found
            await plane.loop.look_at(ResourceKey(KIND, run_id), CAUSE)


async def test_drift_of_what_a_deployment_collects_is_found_and_announced(plane: ControlPlane, tmp_path: Path) -> None:
    await declare(plane, {**base(), "blue.yml": deployment("blue", "model: azureml:diabetes@latest\n" + COLLECTOR)})
    endpoint = await until(plane, ready("blue"))
    await ask_endpoint(plane, endpoint["scoring_uri"], 5.0)
    columns = await collected(tmp_path / "data" / "collected" / "live" / "blue" / "model_inputs")
    lines = [json.dumps(dict(zip(columns, row(number, 0.0), strict=False))) for number in range(ROWS)]
    await declare(plane, {"baseline.jsonl": "\n".join(lines) + "\n", "baseline.yml": REFERENCE, "monitor.yml": MONITOR})
    found = await run(plane)
    assert (found["run"]["phase"], found["run"]["verdict"]) == ("Succeeded", "Breached"), json.dumps(found)
    assert found["result"]["signals"][0]["counts"]["rows"] == ROWS
    page = await plane.deps.store.list_events(RecordQuery(limit=1000))
    events = {record.event.type.rpartition(".")[2]: record.event.data for record in page.items}
    assert events["DatasetDriftDetected"]["runId"] == found["run"]["monitor_run_id"]
    assert events["DatasetDriftDetected"]["driftCoefficient"] > 0.3
    tag = events["RunStatusChanged"]["runTags"]["azureml_modelmonitor_threshold_breached"]
    assert tag.startswith("The signal 'inputs' has failed due to one or more features violating metric thresholds")


async def test_a_monitor_that_is_not_there_is_told(plane: ControlPlane) -> None:
    refused = await call(plane, "run_monitor", 404, name="none")
    assert "slipway monitor list" in refused["remedy"]
