"""What is wrong with a monitor is said when it is applied, not at its first run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.resources.sync import FileOutcome
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, make_plane
from tests.scenarios.test_environments import SOURCE

ENDPOINT = b"$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\nname: diabetes\n"
DEPLOYMENT: dict[str, Any] = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json",
    "name": "blue",
    "endpoint_name": "diabetes",
    "model": "azureml:trees:1",
    "environment": {"image": "python:3.11"},
    "instance_type": "Standard_DS3_v2",
    "instance_count": 1,
}
MONITOR: dict[str, Any] = {
    "$schema": "http://azureml/sdk-2-0/Schedule.json",
    "name": "watch",
    "trigger": {"type": "cron", "expression": "15 3 * * *"},
    "create_monitor": {
        "compute": {"instance_type": "standard_e4s_v3"},
        "monitoring_target": {"ml_task": "regression", "endpoint_deployment_id": "azureml:diabetes:blue"},
    },
}


async def applied(folder: Path, collections: tuple[str, ...], **changes: Any) -> FileOutcome:
    plane = make_plane(folder / "data")
    collector = {"data_collector": {"collections": {name: {"enabled": "true"} for name in collections}}}
    deployment = {**DEPLOYMENT, **(collector if collections else {})}
    monitor = {**MONITOR, **changes}
    files = {
        "model.yml": b"name: trees\ntype: custom_model\npath: files\n",
        "files/model.bin": b"1",
        "endpoint.yml": ENDPOINT,
        "deployment.yml": yaml.safe_dump(deployment).encode(),
        "monitor.yml": yaml.safe_dump(monitor).encode(),
    }
    found = {one.path: one for one in await apply_tree(SourceTree(files), None, SOURCE, plane.deps, CAUSE)}
    assert found["deployment.yml"].result != "refused", found["deployment.yml"]
    return found["monitor.yml"]


def with_signal(**signal: Any) -> dict[str, Any]:
    return {"create_monitor": {**MONITOR["create_monitor"], "monitoring_signals": {"s": signal}}}


async def test_one_that_can_run_is_created(tmp_path: Path) -> None:
    outcome = await applied(tmp_path, ("model_inputs", "model_outputs"))
    assert outcome.result == "created", outcome


@pytest.mark.parametrize(
    ("collections", "changes", "pointer", "words"),
    [
        ((), {}, "endpoint_deployment_id", "does not collect model_inputs"),
        (("model_inputs",), {}, "endpoint_deployment_id", "does not collect model_outputs"),
        (("model_outputs",), with_signal(type="data_drift"), "endpoint_deployment_id", "which s reads"),
        (
            ("model_inputs",),
            with_signal(type="data_drift", production_data={"data_window": {"lookback_window_size": "a week"}}),
            "/create_monitor/monitoring_signals/s/production_data/data_window",
            "'a week' is no duration",
        ),
        (
            ("model_inputs", "model_outputs"),
            {"trigger": {"type": "cron", "expression": "0 0 31 2 *"}},
            "/trigger",
            "never comes",
        ),
        (
            ("model_inputs", "model_outputs"),
            {"trigger": {"type": "cron", "expression": "0 0 * * *", "time_zone": "Mars"}},
            "/trigger",
            "no time zone 'Mars'",
        ),
    ],
)
async def test_one_that_cannot_run_is_refused_with_the_place(
    tmp_path: Path, collections: tuple[str, ...], changes: dict[str, Any], pointer: str, words: str
) -> None:
    outcome = await applied(tmp_path, collections, **changes)
    assert outcome.result == "refused"
    text = str(outcome.faults)
    assert pointer in text
    assert words in text
    assert "'line': " in text


async def test_one_without_any_data_is_refused(tmp_path: Path) -> None:
    outcome = await applied(tmp_path, (), create_monitor={"compute": {"instance_type": "standard_e4s_v3"}})
    assert "nothing says which data of production it reads" in str(outcome.faults)
