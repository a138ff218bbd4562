"""A monitor of how a deployment serves: real processes behind a real router, judged by what they counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from shared.bootstrap import ControlPlane
from shared.ports import RecordQuery
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import KIND
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.doubles.kubernetes import kubernetes_double
from tests.doubles.kubernetes_gateway import ERROR_SHARE, gateway_double
from tests.doubles.registry import registry_double
from tests.plane import CAUSE, make_plane
from tests.scenarios import test_endpoints_on_kubernetes as k8s
from tests.scenarios.monitored import SCHEMAS, signal_of
from tests.scenarios.test_endpoints import ENDPOINT, base, bearer, declare, deployment, plane, ready, states, until
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call, prepared
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


@pytest.mark.slow
async def test_a_deployment_on_a_cluster_is_judged_by_what_its_prometheus_knows(tmp_path: Path) -> None:
    limits = {"error_rate": 0.05, "request_latency_p50_ms": 100, "cpu_memory_utilization_percentage": 50}
    async with kubernetes_double() as double, gateway_double(double) as gateway, registry_double() as registry:
        setting = k8s.computes(double, tmp_path, prometheus_url=gateway.url)
        plane = await prepared(tmp_path, image_repository=f"{registry.host}/models/slipway", computes=setting)
        failing = f"environment_variables: {{{ERROR_SHARE}: '0.5'}}\n"
        files = {"endpoint.yml": k8s.ENDPOINT + "traffic: {blue: 100}\n", "blue.yml": k8s.deployment("blue", failing)}
        await k8s.declare(plane, {**files, "monitor.yml": monitor(metric_thresholds=limits)})
        await k8s.until(plane, lambda one: states(one) == {"blue": "Succeeded"})
        url, headers = f"{gateway.url}/score", {"Host": "live.models.example"}
        async with aiohttp.ClientSession(headers=headers) as http:
            for times in (10, 90):
                for _ in range(times):
                    async with http.post(url):
                        pass
                found = await run(plane)
        gateway.status = 403
        refused = signal_of(await run(plane), "serving")
    assert "Monitoring Data Reader" in refused["reason"]
    signal = signal_of(found, "serving")
    verdicts = {name: one["verdict"] for name, one in signal["metrics"].items()}
    assert signal["counts"]["rows"] == 90
    assert (verdicts["error_rate"], verdicts["request_latency_p50_ms"]) == ("Breached", "Healthy")
    assert signal["metrics"]["cpu_memory_utilization_percentage"]["value"] == pytest.approx(60.0)
    assert verdicts["cpu_memory_utilization_percentage"] == "Breached"
    assert signal["metrics"]["cpu_utilization_percentage"]["value"] > 0


EDGE = {"name": "k8s", "type": "iot-edge", "hub": "hub.azure-devices.net", "target_condition": "tags.site = 'a'"}


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        ({"name": "k8s", "type": "kubernetes", "kubeconfig": "none"}, "prometheus_url"),
        (EDGE, "are counted by nobody"),
    ],
)
async def test_a_signal_whose_figures_nobody_counts_is_refused_when_it_is_applied(
    compute: dict[str, str], words: str, tmp_path: Path
) -> None:
    plane = make_plane(tmp_path, computes=json.dumps([compute]))
    await declare(plane, {**base(), "endpoint.yml": k8s.ENDPOINT, "blue.yml": deployment("blue")})
    tree = SourceTree({"monitor.yml": monitor(metric_thresholds={"error_rate": 0.05}).encode()})
    (outcome,) = await apply_tree(tree, None, SOURCE, plane.deps, CAUSE)
    assert outcome.result == "refused"
    (fault,) = outcome.faults
    assert fault["pointer"] == "/create_monitor/monitoring_signals/serving"
    assert words in f"{fault['message']} {fault['allowed']}"


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
