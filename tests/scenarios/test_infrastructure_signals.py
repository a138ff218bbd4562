"""A monitor of how a deployment serves: real processes behind a real router, judged by what they counted."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import yaml

from shared.bootstrap import ControlPlane
from shared.ports import RecordQuery
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import KIND
from tests.plane import CAUSE
from tests.scenarios.monitored import SCHEMAS, signal_of
from tests.scenarios.test_endpoints import ENDPOINT, base, bearer, declare, deployment, plane, ready, until
from tests.scenarios.test_images import call
from tests.scenarios.test_monitor_runs import run

__all__ = ["plane"]
SCRIPT = """def init(): ...
def run(data):
    if "fail" in str(data):
        raise ValueError("a wrong row")
    return 1
"""
CODE = "code_configuration: {code: blue, scoring_script: score.py}\n"


def monitor(**signal: Any) -> str:
    said = {
        "$schema": f"{SCHEMAS}/monitorSchedule.schema.json",
        "name": "watch",
        "trigger": {"type": "recurrence", "frequency": "hour", "interval": 1},
        "create_monitor": {
            "compute": {"instance_type": "standard_e4s_v3"},
            "monitoring_target": {"endpoint_deployment_id": "azureml:live:blue"},
            "monitoring_signals": {"serving": {"type": "infrastructure", **signal}},
        },
    }
    return yaml.safe_dump(said)


async def ask(plane: ControlPlane, uri: str, data: str, times: int) -> None:
    headers = await bearer(plane) | {"azureml-model-deployment": "blue"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for _ in range(times):
            async with http.post(uri, json={"data": data}) as answer:
                assert answer.status == (200 if data == "well" else 500), await answer.text()


async def test_what_a_deployment_served_between_two_runs_is_judged_and_announced(plane: ControlPlane) -> None:
    limits = {"error_rate": 0.05, "request_latency_p99_ms": 60_000, "cpu_memory_utilization_percentage": 100}
    files = {
        **base(),
        "endpoint.yml": ENDPOINT,
        "blue.yml": deployment("blue", CODE),
        "blue/score.py": SCRIPT,
        "monitor.yml": monitor(alert_enabled=True, metric_thresholds=limits),
    }
    await declare(plane, files)
    uri = (await until(plane, ready("blue")))["scoring_uri"]
    await ask(plane, uri, "well", 60)
    first = signal_of(await run(plane), "serving")
    assert first["metrics"]["error_rate"]["verdict"] == "Healthy"
    assert first["metrics"]["requests_per_minute"]["verdict"] == "NotEnoughData"
    assert first["counts"]["rows"] == 60
    await ask(plane, uri, "well", 40)
    await ask(plane, uri, "fail", 20)
    found = await run(plane)
    second = signal_of(found, "serving")
    values = {name: one["value"] for name, one in second["metrics"].items()}
    assert (second["counts"]["rows"], second["metrics"]["error_rate"]["verdict"]) == (60, "Breached")
    assert values["error_rate"] == 20 / 60
    assert values["requests_per_minute"] > 0
    assert 0 < values["request_latency_p50_ms"] <= values["request_latency_p99_ms"] < 60_000
    assert 0 <= values["cpu_utilization_percentage"] <= 200
    assert 0 < values["cpu_memory_utilization_percentage"] < 100
    assert found["run"]["verdict"] == "Breached"
    page = await plane.deps.store.list_events(RecordQuery(limit=1000))
    (event,) = [one.event for one in page.items if one.event.type.endswith("RunStatusChanged")]
    assert "The signal 'serving' has failed" in event.data["runTags"]["azureml_modelmonitor_threshold_breached"]


async def test_times_that_are_over_have_no_figures(plane: ControlPlane) -> None:
    files = {"monitor.yml": monitor(metric_thresholds={"error_rate": 0.05}), **base(), "blue.yml": deployment("blue")}
    await declare(plane, files)
    body = {"from": "2026-11-01T00:30:00Z", "to": "2026-11-01T01:30:00Z"}
    (begun,) = (await call(plane, "backfill_monitor", 202, body, name="watch"))["runs"]
    async with asyncio.timeout(30):
        while True:
            found = await call(plane, "get_monitor_run", 200, monitor_run_id=begun["monitor_run_id"])
            if found["run"]["phase"] not in ("Pending", "Running"):
                break
            await plane.loop.look_at(ResourceKey(KIND, begun["monitor_run_id"]), CAUSE)
    assert (found["run"]["phase"], found["run"]["verdict"]) == ("Succeeded", "NotEnoughData"), found
    assert "times that are over" in signal_of(found, "serving")["metrics"]["error_rate"]["reason"]
