"""Custom signals: a command of one's own in a built environment measures what was collected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.collected_files import LocalCollected
from shared.adapters.local.job_runner import LocalJobRunner
from shared.adapters.local.monitor_runner import LocalMonitorRunner
from shared.bootstrap import ControlPlane
from shared.errors import NotFound
from shared.ports import JobSpec
from tests.doubles.package_index import PackageIndex, package_index
from tests.plane import make_plane
from tests.scenarios import monitored as m
from tests.scenarios.test_environments import until_ended
from tests.unit.monitors.test_refusals import COMPONENT, CUSTOM, ENVIRONMENT

SCRIPT = """
import csv, json, os, pathlib, sys, alpha
rows, base, limit, out = map(str, sys.argv[1:])
values = [row["a"] for path in pathlib.Path(rows).rglob("*.jsonl") for line in path.open()
          for row in json.loads(line)["data"]]
if max(values) > 1000:
    sys.exit("a value beyond all reason")
mean = sum(values) / len(values)
first = list(csv.DictReader(open(base)))[0]["a"]
print(os.environ["GREETING"], sorted(name for name in os.environ if name.startswith(("SLIPWAY_", "AZURE_", "PYTEST"))))
print(os.environ["PATH"])
with open(pathlib.Path(out) / "metrics.jsonl", "w") as file:
    for name, value, feature in (("spread", mean, None), ("first", float(first), "a")):
        file.write(json.dumps({"metric_name": name, "metric_value": value, "feature_name": feature,
                               "threshold_value": float(limit)}) + "\\n")
"""


@pytest.fixture
async def index() -> AsyncIterator[PackageIndex]:
    async with package_index() as made:
        made.add("alpha", "1.0")
        yield made


@pytest.fixture
def plane(tmp_path: Path, index: PackageIndex) -> ControlPlane:
    return make_plane(tmp_path / "data", package_index_url=index.url, container_engine="none")


def files(command: str) -> dict[str, Any]:
    component = {
        **COMPONENT,
        "code": "./src",
        "command": command,
        "inputs": {**COMPONENT["inputs"], "base": {"type": "uri_file"}},
    }
    signal = {
        **CUSTOM,
        "input_data": {**CUSTOM["input_data"], "base": m.reference("base:1")},
        "connection": {"environment_variables": {"GREETING": "hello", "PATH": "/nowhere"}},
    }
    return {
        "component_yml": component,
        "src__metrics_py": SCRIPT,
        "environment_yml": ENVIRONMENT,
        "base_yml": m.data("base", "base.csv"),
        "base_csv": "a\n7.5\n",
        "monitor_yml": m.monitor(own=signal, drift={"type": "data_drift"}),
    }


async def test_a_component_measures_and_one_that_fails_harms_no_other_signal(plane: ControlPlane) -> None:
    command = (
        "python metrics.py ${{inputs.rows}} ${{inputs.base}} ${{inputs.limit}} ${{outputs.signal_metrics}}"
        " $[[--more ${{inputs.none}}]]"
    )
    await m.applied(plane, **files(command))
    await until_ended(plane, "serve:1")
    for hours, run in ((1.0, "now"), (40.0, "before")):
        m.collect(plane, "model_inputs", [{"a": n % 7} for n in range(100)], hours_ago=hours, run=run)
    found = await m.run(plane)
    own = m.signal_of(found, "own")
    assert (own["metrics"]["spread"]["value"], own["metrics"]["spread"]["verdict"]) == (pytest.approx(2.95), "Breached")
    assert own["features"]["a"]["metrics"]["first"]["value"] == 7.5
    said = next(line for line in found["run"]["log_tail"] if line.startswith("hello"))
    assert (
        said == "hello ['SLIPWAY_JOB_FILES', 'SLIPWAY_JOB_RESULT', 'SLIPWAY_PROCESS_MARK']"
    )  # of the job; no settings
    assert not [line for line in found["run"]["log_tail"] if "/nowhere" in line]
    assert m.signal_of(found, "drift")["features"]["a"]["metrics"]
    m.collect(plane, "model_inputs", [{"a": 5000}], run="wild")
    found = await m.run(plane)
    assert "a value beyond all reason" in m.signal_of(found, "own")["reason"]
    assert m.signal_of(found, "drift")["features"]["a"]["metrics"]
    assert not list((plane.deps.settings.data_dir / "monitor-runs").glob("m-*"))


async def test_a_component_that_writes_nothing_is_told_where_to(plane: ControlPlane) -> None:
    await m.applied(plane, **files("true ${{inputs.rows}} ${{outputs.signal_metrics}}"))
    await until_ended(plane, "serve:1")
    m.collect(plane, "model_inputs", [{"a": 1}])
    reason = m.signal_of(await m.run(plane), "own")["reason"]
    assert "it wrote 0 files of metrics; write one to ${{outputs.signal_metrics}}" in reason


async def test_a_canceled_run_ends_the_component_that_a_killed_control_plane_left(tmp_path: Path) -> None:
    jobs = LocalJobRunner(tmp_path / "monitor-runs" / "jobs")
    for name in ("m-1.0", "m-10.0"):
        await jobs.start(JobSpec(name, ("sleep", "600")))
    collected = LocalCollected(tmp_path / "collected")
    await LocalMonitorRunner(tmp_path / "monitor-runs", collected, 60).cancel("m-1")
    with pytest.raises(NotFound):
        await jobs.look("m-1.0")
    assert not (await jobs.look("m-10.0")).has_ended
    await jobs.remove("m-10.0")
