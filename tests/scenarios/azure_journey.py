"""One model's way on an Azure fleet: uploaded, registered, packaged, deployed, watched."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from shared.deployment_targets.kubernetes.names import object_name
from tests.scenarios.azure_fleet import AzureFleet
from tests.scenarios.azure_load import outside, persistently
from tests.scenarios.local_host import ROOT, wait_until
from tests.scenarios.rest import create_upload, document, get, register, send

ROWS = 120
SAMPLE = json.dumps({"data": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]})
WITHIN_S = 240.0
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/"
FILES = {
    "endpoint.yml": f"{SCHEMA}kubernetesOnlineEndpoint.schema.json\nname: live\ncompute: azureml:k8s\n"
    "auth_mode: key\ntraffic: {blue: 100}\n",
    "blue.yml": f"{SCHEMA}kubernetesOnlineDeployment.schema.json\nname: blue\ntype: kubernetes\nendpoint_name: live\n"
    "model: azureml:diabetes@latest\nenvironment: azureml:serve@latest\n"
    'data_collector: {collections: {model_inputs: {enabled: "true"}}}\n',
    "baseline.yml": f"{SCHEMA}data.schema.json\nname: baseline\nversion: 1\ntype: uri_file\npath: baseline.jsonl\n",
    "monitor.yml": f"""{SCHEMA}monitorSchedule.schema.json
name: watch
trigger: {{type: recurrence, frequency: day, interval: 1}}
create_monitor:
  compute: {{instance_type: standard_e4s_v3, runtime_version: "3.4"}}
  monitoring_target: {{ml_task: regression, endpoint_deployment_id: "azureml:live:blue"}}
  monitoring_signals:
    inputs:
      type: data_drift
      alert_enabled: true
      production_data: {{data_window: {{lookback_window_size: P1D, lookback_window_offset: P0D}}}}
      reference_data: {{input_data: {{type: uri_file, path: "azureml:baseline:1"}}, data_context: training}}
      metric_thresholds: {{numerical: {{jensen_shannon_distance: 0.3}}}}
""",
}


def rows(shift: float) -> list[dict[str, float]]:
    return [{"age": shift + number % 17, "bmi": float(number % 5)} for number in range(ROWS)]


async def upload_and_register(azure: AzureFleet, http: aiohttp.ClientSession) -> dict[str, Any]:
    """The version of the example model, sent by a signed URL."""
    content = (ROOT / "examples" / "diabetes" / "model.onnx").read_bytes()
    async with outside(azure) as web:
        session = await persistently(lambda: create_upload(http, "model.onnx"))
        await persistently(lambda: send(web, session["files"][0], content))
    body = {"upload_id": session["upload_id"], "model": {"name": "diabetes", "path": "model.onnx"}}
    found: dict[str, Any] = {}

    async def registered() -> bool:
        status, version = await persistently(lambda: register(http, body))
        found.update(version)
        return status in (200, 201)

    await wait_until(registered, WITHIN_S, "it is registered", poll_s=0.5)
    return found


async def declare(http: aiohttp.ClientSession, packages: str) -> None:
    """Apply the environment with these packages, endpoint, deployment, data and monitor."""
    lines = "".join(json.dumps(row) + "\n" for row in rows(0.0))
    environment = f"{SCHEMA}environment.schema.json\nname: serve\nimage: mcr.example/base:1\npip: [{packages}]\n"
    given = {**FILES, "environment.yml": environment, "baseline.jsonl": lines}
    files = [{"path": path, "text": text} for path, text in given.items()]
    body = {"files": files, "provenance": {"source": "models"}}
    applied = await persistently(lambda: posted(http, "/api/apply", body, 200))
    assert {file["result"] for file in applied["files"]} <= {"created", "unchanged"}, applied


async def profiled(http: aiohttp.ClientSession) -> dict[str, Any]:
    """The profile of the model, measured in a job, when it has ended."""

    async def built() -> bool:
        found = await persistently(lambda: get(http, "/api/environments/serve/versions/1"))
        return str(found["phase"]) == "Succeeded"

    await wait_until(built, WITHIN_S, "the environment is built", poll_s=0.5)
    body = {"environment": "serve", "target_rps": 20, "p99_ms": 200, "sample": SAMPLE}
    path = "/api/models/diabetes/versions/1/profile"
    asked = await persistently(lambda: posted(http, path, body, 202))
    path = f"/api/profiles/{asked['profile_id']}"
    return await ended(lambda: get(http, path), "the model is profiled", under_way={"NotStarted", "Running"})


async def optimized(http: aiohttp.ClientSession) -> dict[str, Any]:
    """The optimisation of the model, done in a job, when it has ended."""
    names = ",".join(f"f{number}" for number in range(10))
    rows = "\n".join(",".join(f"{(row * 7 + column) % 11 / 100}" for column in range(10)) for row in range(50))
    body = {"sample": f"{names}\n{rows}\n", "variants": ["graph"]}
    path = "/api/models/diabetes/versions/1/optimize"
    asked = await persistently(lambda: posted(http, path, body, 202))
    path = f"/api/optimizations/{asked['optimization_id']}"
    return await ended(lambda: get(http, path), "the model is optimised", under_way={"Pending", "Running"})


async def deployed(azure: AzureFleet, http: aiohttp.ClientSession) -> str:
    """Waits until its pods serve; where they collect to."""

    async def succeeded() -> bool:
        endpoint = await persistently(lambda: get(http, "/api/endpoints/live"))
        return [each["provisioning_state"] for each in endpoint["deployments"]] == ["Succeeded"]

    await wait_until(succeeded, WITHIN_S, "it is deployed", poll_s=0.5)
    found = azure.platform.kubernetes.one("deployments", object_name("live", "blue"))
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("slipway.azurecr.io/slipway/models@sha256:")
    return str({each["name"]: each["value"] for each in container["env"]}["SLIPWAY_SCORING_COLLECT_URL"])


async def collect(azure: AzureFleet, collect_url: str, shift: float) -> None:
    """Write what the pods would have written there, in the hour that is."""
    container, now = collect_url.rpartition("/")[2], datetime.now(UTC)
    facts = {"specversion": "1.0", "time": now.isoformat()}
    lines = [json.dumps({**facts, "id": f"{n}", "data": [row]}) + "\n" for n, row in enumerate(rows(shift))]
    path = f"live/blue/model_inputs/{now:%Y/%m/%d/%H}/pod-1.jsonl"
    await azure.blobs.get_blob_client(container, path).upload_blob("".join(lines).encode())


async def ended(read: Callable[[], Awaitable[dict[str, Any]]], what: str, *, under_way: set[str]) -> dict[str, Any]:
    """What is read when its phase or state is none of those that are under way."""
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.clear()
        found.update(await persistently(read))
        said = found.get("run", found)
        return str(said.get("phase", said.get("state"))) not in under_way

    try:
        await wait_until(has_ended, WITHIN_S, what, poll_s=0.5)
    except AssertionError:
        print(json.dumps(found)[:4000])
        raise
    return found


async def posted(http: aiohttp.ClientSession, path: str, body: Any, status: int) -> dict[str, Any]:
    """The answer to a POST."""
    async with http.post(path, json=body) as answer:
        done: dict[str, Any] = await document(answer, status)
    return done


def doubled(events: list[dict[str, Any]]) -> dict[str, int]:
    """What was announced under more than one id: an event that is sent again has the id that it had."""
    ids = {
        (each["id"], each["eventType"], each["subject"], json.dumps(each["data"], sort_keys=True)) for each in events
    }
    counts = Counter(each[1:] for each in ids)
    return {f"{type_} {subject}": count for (type_, subject, _), count in counts.items() if count > 1}
