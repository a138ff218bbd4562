"""A control plane with a deployment that collects, as far as monitors are concerned: what it collected is written by
the test, and nothing serves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from shared.bootstrap import ControlPlane
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import KIND
from shared.resources.sync import FileOutcome
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call

Row = Mapping[str, Any]
SCHEMAS = "https://azuremlschemas.azureedge.net/latest"
COLLECTED = {name: {"enabled": "true"} for name in ("model_inputs", "model_outputs")}
DEPLOYED: dict[str, Any] = {
    "model.yml": {"name": "trees", "type": "custom_model", "path": "files"},
    "endpoint.yml": {"$schema": f"{SCHEMAS}/managedOnlineEndpoint.schema.json", "name": "live"},
    "deployment.yml": {
        "$schema": f"{SCHEMAS}/managedOnlineDeployment.schema.json",
        "name": "blue",
        "endpoint_name": "live",
        "model": "azureml:trees:1",
        "environment": {"image": "python:3.11"},
        "instance_type": "Standard_DS3_v2",
        "instance_count": 1,
        "data_collector": {"collections": COLLECTED},
    },
}


def lines(rows: Iterable[Row]) -> str:
    """JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def data(name: str, path: str, version: str = "1") -> dict[str, Any]:
    """A data.yml."""
    said = {"name": name, "version": version, "type": "uri_file", "path": path}
    return {"$schema": f"{SCHEMAS}/data.schema.json", **said}


def reference(name: str, **columns: str) -> dict[str, Any]:
    """Reference data of a signal."""
    return {"input_data": {"type": "uri_file", "path": f"azureml:{name}"}, "data_column_names": columns}


def monitor(task: str = "classification", **signals: Any) -> dict[str, Any]:
    """A monitor.yml with these signals."""
    return {
        "$schema": f"{SCHEMAS}/monitorSchedule.schema.json",
        "name": "watch",
        "trigger": {"type": "recurrence", "frequency": "day", "interval": 1},
        "create_monitor": {
            "compute": {"instance_type": "standard_e4s_v3", "runtime_version": "3.4"},
            "monitoring_target": {"ml_task": task, "endpoint_deployment_id": "azureml:live:blue"},
            "monitoring_signals": signals,
        },
    }


async def apply(plane: ControlPlane, **files: Any) -> dict[str, FileOutcome]:
    """Apply files beside the deployment: mappings are YAML; `_` in a name is its dot."""
    named = {name.replace("__", "/").replace("_", ".", 1): content for name, content in files.items()}
    content = {
        path: (one if isinstance(one, str) else yaml.safe_dump(one)).encode()
        for path, one in {**DEPLOYED, "files/model.bin": "1", **named}.items()
    }
    outcomes = await apply_tree(SourceTree(content), None, SOURCE, plane.deps, CAUSE)
    return {one.path: one for one in outcomes}


async def applied(plane: ControlPlane, **files: Any) -> None:
    """As `apply`; nothing may be refused."""
    for outcome in (await apply(plane, **files)).values():
        assert outcome.result != "refused", outcome


def collect(plane: ControlPlane, collection: str, rows: Iterable[Row], hours_ago: float = 1.0, run: str = "r") -> None:
    """What the deployment would have collected, a request a row: c0, c1..."""
    when = datetime.now(UTC) - timedelta(hours=hours_ago)
    folder = plane.deps.settings.data_dir / "collected" / "live" / "blue" / collection / f"{when:%Y/%m/%d/%H}"
    folder.mkdir(parents=True, exist_ok=True)
    events = [
        {"specversion": "1.0", "id": f"{collection}-{run}-{number}", "time": when.isoformat(),
         "correlationid": f"{run}{number}", "data": [row]}
        for number, row in enumerate(rows)
    ]  # fmt: skip
    with (Path(folder) / "instance.jsonl").open("a") as file:
        file.write(lines(events))


async def profile(plane: ControlPlane, name: str, version: str = "1") -> dict[str, Any]:
    """The version of a data asset when it is profiled."""
    async with asyncio.timeout(120):
        while True:
            found: dict[str, Any] = await call(plane, "get_data_version", 200, name=name, version=version)
            if found["phase"] not in ("Pending", "Profiling"):
                return found
            await plane.loop.look_at(ResourceKey("data", name, version), CAUSE)


async def run(plane: ControlPlane) -> dict[str, Any]:
    """A run of the monitor and what it found; it must have ended well."""
    made = await call(plane, "run_monitor", 202, name="watch")
    async with asyncio.timeout(120):
        while True:
            found: dict[str, Any] = await call(plane, "get_monitor_run", 200, monitor_run_id=made["monitor_run_id"])
            if found["run"]["phase"] not in ("Pending", "Running"):
                break
            await plane.loop.look_at(ResourceKey(KIND, made["monitor_run_id"]), CAUSE)
    assert found["run"]["phase"] == "Succeeded", found["run"]
    return found


def signal_of(found: dict[str, Any], name: str) -> dict[str, Any]:
    """What one signal found, metrics and features by their names."""
    one = next(each for each in found["result"]["signals"] if each["name"] == name)
    features = {each["name"]: each | {"metrics": by_name(each["metrics"])} for each in one["features"]}
    return dict(one) | {"features": features, "metrics": by_name(one["metrics"])}


def by_name(metrics: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Metrics by their names."""
    return {each["metric"]: each for each in metrics}
