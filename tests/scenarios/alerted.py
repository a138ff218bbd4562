"""A control plane with a monitor, whose deployment is only said to collect: tests write what it would have."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from shared.bootstrap import ControlPlane
from shared.controllers.table import CONTROLLERS
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import KIND
from shared.resources.sync import FileOutcome
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call
from tests.unit.monitors.test_applying import DEPLOYMENT, ENDPOINT

ROWS = 300
REFERENCE = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/data.schema.json",
    "name": "baseline",
    "version": 1,
    "type": "uri_file",
    "path": "baseline.jsonl",
}
MONITOR: dict[str, Any] = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/monitorSchedule.schema.json",
    "name": "watch",
    "trigger": {"type": "cron", "expression": "0 * * * *"},
    "create_monitor": {
        "compute": {"instance_type": "standard_e4s_v3"},
        "monitoring_target": {"ml_task": "regression", "endpoint_deployment_id": "azureml:diabetes:blue"},
        "monitoring_signals": {
            "inputs": {
                "type": "data_drift",
                "alert_enabled": True,
                "production_data": {"data_window": {"lookback_window_size": "PT1H", "lookback_window_offset": "P0D"}},
                "reference_data": {"input_data": {"type": "uri_file", "path": "azureml:baseline:1"}},
            }
        },
    },
}


def monitor(**definition: Any) -> dict[str, Any]:
    """The monitor, with more keys of `create_monitor`."""
    return {**MONITOR, "create_monitor": {**MONITOR["create_monitor"], **definition}}


def rows(shift: float) -> list[dict[str, float]]:
    return [{"a": number % 17 + shift, "b": float(number % 5)} for number in range(ROWS)]


async def declare(plane: ControlPlane, document: dict[str, Any]) -> FileOutcome:
    """The endpoint, its deployment, the baseline and the monitor; what became of the monitor."""
    collector = {"data_collector": {"collections": {"model_inputs": {"enabled": "true"}}}}
    files = {
        "model.yml": b"name: trees\ntype: custom_model\npath: files\n",
        "files/model.bin": b"1",
        "endpoint.yml": ENDPOINT,
        "deployment.yml": yaml.safe_dump({**DEPLOYMENT, **collector}).encode(),
        "baseline.jsonl": "\n".join(json.dumps(row) for row in rows(0)).encode(),
        "baseline.yml": yaml.safe_dump(REFERENCE).encode(),
        "monitor.yml": yaml.safe_dump(document).encode(),
    }
    found = {one.path: one for one in await apply_tree(SourceTree(files), None, SOURCE, plane.deps, CAUSE)}
    for path, outcome in found.items():
        assert outcome.result != "refused" or path == "monitor.yml", outcome
    return found["monitor.yml"]


def collect(data_dir: Path, at: datetime, shift: float) -> None:
    """Write what a deployment would have collected in the hour of this time; far from the baseline with a shift."""
    folder = data_dir / "collected" / "diabetes" / "blue" / "model_inputs" / f"{at:%Y/%m/%d/%H}"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"specversion": "1.0", "time": at.isoformat()}
    lines = [{**facts, "id": f"{at.isoformat()}-{n}", "data": [row]} for n, row in enumerate(rows(shift))]
    (folder / "instance.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


async def run(plane: ControlPlane, run_id: str = "") -> dict[str, Any]:
    """The run of this id, else a new one, when it has ended; people were told once, where they are told."""
    run_id = run_id or (await call(plane, "run_monitor", 202, name="watch"))["monitor_run_id"]
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = await call(plane, "get_monitor_run", 200, monitor_run_id=run_id)
            if found["run"]["phase"] not in ("Pending", "Running"):
                return found
            await look(plane, run_id)


async def look(plane: ControlPlane, run_id: str) -> None:
    """As a message of the work queue does."""
    assert KIND in CONTROLLERS
    await plane.loop.look_at(ResourceKey(KIND, run_id), CAUSE)
