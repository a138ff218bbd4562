"""Endpoints on this machine: real processes of the scoring server behind a real router, by a control plane."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.adapters.local.endpoint_processes import stop_all
from shared.bootstrap import ControlPlane
from shared.ports import ResourceQuery
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.local_host import ROOT
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call

ROW = {"data": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]}
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/managedOnline{}.schema.json\n"
ENDPOINT = SCHEMA.format("Endpoint") + "name: live\nauth_mode: key\n"
MODEL = "name: diabetes\ntype: custom_model\npath: model.onnx\n"
KINDS = ("environment", "environment-build", "online-endpoint", "online-deployment", "rollout")


def deployment(name: str, more: str = "model: azureml:diabetes@latest\n") -> str:
    head = f"name: {name}\nendpoint_name: live\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n"
    return SCHEMA.format("Deployment") + head + more


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    made = make_plane(tmp_path / "data")
    yield made
    await stop_all(tmp_path / "data" / "endpoints")


async def declare(plane: ControlPlane, files: dict[str, str | bytes], *, prune: bool = False) -> None:
    tree = SourceTree({path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()})
    for outcome in await apply_tree(tree, None, SOURCE, plane.deps, CAUSE, prune=prune):
        assert outcome.result != "refused", outcome


def base() -> dict[str, str | bytes]:
    model = (ROOT / "examples" / "diabetes" / "model.onnx").read_bytes()
    return {"endpoint.yml": ENDPOINT, "model.yml": MODEL, "model.onnx": model}


async def look(plane: ControlPlane, kinds: Sequence[str] = KINDS) -> None:
    """Look at everything unfinished, as its messages do."""
    from datetime import UTC, datetime

    for kind in kinds:
        versions = "versions" if kind == "environment" else "heads"
        query = ResourceQuery(kind, versions=versions, unfinished_before=datetime(2100, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]
        for one in (await plane.deps.store.list_resources(query)).items:
            await plane.loop.look_at(one.key, CAUSE)


async def until(
    plane: ControlPlane, is_so: Callable[[Any], bool], timeout_s: float = 90, kinds: Sequence[str] = KINDS
) -> Any:
    """The endpoint when it is so."""
    found: Any = None
    try:
        async with asyncio.timeout(timeout_s):
            while not is_so(found := await call(plane, "get_endpoint", 200, name="live")):
                await look(plane, kinds)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(json.dumps(found, indent=1)) from None
    return found


def states(found: Any) -> dict[str, str]:
    return {one["name"]: one["provisioning_state"] for one in found["deployments"]}


def ready(*names: str) -> Callable[[Any], bool]:
    def is_so(found: Any) -> bool:
        return (
            all(states(found).get(name) == "Succeeded" for name in names) and found["provisioning_state"] == "Succeeded"
        )

    return is_so


async def bearer(plane: ControlPlane, name: str = "primary_key") -> dict[str, str]:
    """The header that opens the endpoint."""
    found = await call(plane, "get_endpoint_credentials", 200, name="live")
    return {"Authorization": f"Bearer {found[name]}"}


async def score(plane: ControlPlane, uri: str, deployment_name: str = "") -> tuple[int, str, Any]:
    headers = await bearer(plane)
    headers |= {"azureml-model-deployment": deployment_name} if deployment_name else {}
    async with aiohttp.ClientSession() as http, http.post(uri, json=ROW, headers=headers) as answer:
        return answer.status, answer.headers.get("azureml-model-deployment", ""), await answer.json(content_type=None)


async def test_declared_deployments_serve_and_traffic_is_shifted(plane: ControlPlane) -> None:
    files = {**base(), "blue.yml": deployment("blue")}
    await declare(plane, files)
    found = await until(plane, ready("blue"))
    assert (found["deployments"][0]["model"], found["traffic"]) == ("diabetes:1", {})
    assert (await score(plane, found["scoring_uri"]))[0] == 404  # a new deployment gets no traffic by itself
    assert (await score(plane, found["scoring_uri"], "blue"))[0] == 200
    await call(plane, "patch_endpoint_traffic", 200, {"traffic": {"blue": 100}}, name="live")
    await until(plane, lambda one: one["effective_traffic"] == {"blue": 100})
    await asyncio.sleep(1.5)  # the router reads its file again
    assert (await score(plane, found["scoring_uri"]))[:2] == (200, "blue")
    await declare(plane, {**files, "green.yml": deployment("green"), "endpoint.yml": ENDPOINT + "tags: {a: b}\n"})
    found = await until(plane, ready("blue", "green"))
    assert found["traffic"] == {"blue": 100}  # an update that names no traffic takes none away
    refused = await call(plane, "patch_endpoint_traffic", 422, {"traffic": {"green": 30}}, name="live")
    assert "sum up to 130" in json.dumps(refused)
    assert "blue=100" in refused["remedy"]
    await call(plane, "patch_endpoint_traffic", 200, {"traffic": {"blue": 50, "green": 50}}, name="live")
    await until(plane, lambda one: one["effective_traffic"] == {"blue": 50, "green": 50})
    await asyncio.sleep(1.5)
    served = {(await score(plane, found["scoring_uri"]))[1] for _ in range(20)}
    assert served == {"blue", "green"}
    assert (await events_of(plane)).count("Microsoft.MachineLearningServices.ModelDeployed") == 2
    refused = await call(plane, "delete_model_version", 409, name="diabetes", version="1")
    assert "online-deployment/live.blue" in json.dumps(refused)


async def test_production_data_are_collected_as_declared(plane: ControlPlane, tmp_path: Path) -> None:
    collector = 'data_collector: {collections: {model_inputs: {enabled: "true"}, request: {enabled: "true"}}}\n'
    declared = deployment("blue", "model: azureml:diabetes@latest\n" + collector)
    await declare(plane, {**base(), "blue.yml": declared})
    found = await until(plane, ready("blue"))
    assert (await score(plane, found["scoring_uri"], "blue"))[0] == 200
    folder = tmp_path / "data" / "collected" / "live" / "blue"
    async with asyncio.timeout(30):
        while len(files := sorted(folder.rglob("*.jsonl"))) < 2:
            await asyncio.sleep(0.05)
    inputs, request = (json.loads(file.read_text()) for file in files)
    assert inputs["source"] == "/onlineEndpoints/live/deployments/blue"
    assert request["data"] == ROW
    assert inputs["correlationid"] == request["correlationid"]


async def test_what_cannot_run_says_why_with_its_log(plane: ControlPlane) -> None:
    script = "import sys\ndef init(): sys.exit('the weights are missing')\ndef run(data): return 1\n"
    broken = deployment("broken", "code_configuration: {code: src, scoring_script: score.py}\n")
    await declare(plane, {**base(), "broken.yml": broken, "src/score.py": script})
    found = await until(plane, lambda one: states(one).get("broken") == "Failed")
    (one,) = found["deployments"]
    assert "the weights are missing" in "\n".join(one["log_tail"])
    assert "Slipway.DeploymentFailed" in await events_of(plane)
    logs = await call(plane, "get_deployment_logs", 200, name="live", deployment="broken")
    assert "the weights are missing" in logs["text"]


async def test_a_killed_server_and_a_killed_control_plane_are_got_over(plane: ControlPlane, tmp_path: Path) -> None:
    await declare(
        plane, {**base(), "blue.yml": deployment("blue"), "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n"}
    )
    found = await until(plane, ready("blue"))
    record = next((tmp_path / "data" / "endpoints" / "live" / "processes").glob("blue-*/process.json"))
    pid = json.loads(record.read_text())["pid"]
    again = make_plane(tmp_path / "data")  # the control plane that began it is gone
    os.kill(pid, signal.SIGKILL)
    await until(again, lambda one: one["deployments"][0]["restarts"] >= 1 and one["deployments"][0]["ready_instances"])
    await asyncio.sleep(1.5)
    assert (await score(plane, found["scoring_uri"]))[:2] == (200, "blue")
    assert json.loads(record.read_text())["pid"] != pid


async def test_a_changed_deployment_is_replaced_without_a_gap(plane: ControlPlane) -> None:
    script = "def init(): ...\ndef run(data): return {}\n"
    code = "code_configuration: {{code: src, scoring_script: score.py}}\nenvironment_variables: {{V: '{}'}}\n"
    files = {
        **base(),
        "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n",
        "blue.yml": deployment("blue", code.format(1)),
    }
    await declare(plane, {**files, "src/score.py": script.format("'one'")})
    found = await until(plane, ready("blue"))
    await asyncio.sleep(1.5)
    answers: list[Any] = []

    async def ask() -> None:
        while True:
            answers.append((await score(plane, found["scoring_uri"]))[::2])
            await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    await declare(plane, {**files, "src/score.py": script.format("'two'")})
    await until(plane, lambda one: (200, "two") in answers)
    asking.cancel()
    assert {status for status, _ in answers} == {200}
    values = [value for _, value in answers]
    assert values == sorted(values)  # first all of one, then all of the other


async def test_an_endpoint_that_is_deleted_leaves_no_process(plane: ControlPlane, tmp_path: Path) -> None:
    files = {**base(), "blue.yml": deployment("blue")}
    await declare(plane, files)
    await until(plane, ready("blue"))
    await declare(plane, {}, prune=True)
    assert [one["name"] for one in (await call(plane, "list_endpoints", 200))["items"]] == []
    place = tmp_path / "data" / "endpoints" / "live"
    async with asyncio.timeout(30):
        while place.exists():
            await plane._prune_endpoints()
            await asyncio.sleep(0.1)


STRATEGY = {"type": "canary", "steps": [{"weight_percent": 30, "duration_s": 1}]}


@pytest.mark.parametrize(("green", "expected"), [("good", "Succeeded"), ("bad", "RolledBack")])
async def test_a_rollout_promotes_the_good_and_takes_back_the_bad(
    plane: ControlPlane, green: str, expected: str
) -> None:
    script = "def init(): ...\ndef run(data):\n    {}\n    return 'green'\n"
    body = "pass" if green == "good" else "raise ValueError('no')"
    code = deployment("green", "code_configuration: {code: src, scoring_script: score.py}\n")
    files = {**base(), "endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n", "blue.yml": deployment("blue")}
    await declare(plane, {**files, "green.yml": code, "src/score.py": script.format(body)})
    found = await until(plane, ready("blue", "green"))
    checks = [{"metric": "success_rate", "at_least": 0.95, "min_samples": 20}]
    spec = {
        "endpoint_name": "live",
        "stable": "blue",
        "candidate": "green",
        "strategy": STRATEGY,
        "analysis": {"checks": checks, "inconclusive_timeout_s": 30},
    }
    await call(plane, "start_rollout", 202, {"name": "first", "spec": spec})

    async def load() -> None:
        while True:
            await score(plane, found["scoring_uri"])
            await asyncio.sleep(0.005)

    loading = asyncio.create_task(load())
    async with asyncio.timeout(60):
        while (rollout := await call(plane, "get_rollout", 200, name="first"))["status"]["phase"] not in (
            *("Succeeded", "RolledBack", "Aborted", "Failed"),
        ):
            await look(plane)
            await asyncio.sleep(0.1)
    loading.cancel()
    assert rollout["status"]["phase"] == expected, rollout
    found = await call(plane, "get_endpoint", 200, name="live")
    winner = {"good": {"blue": 0, "green": 100}, "bad": {"blue": 100, "green": 0}}[green]
    assert found["traffic"] == winner
    types = await events_of(plane)
    assert ("Slipway.RolloutPromoted" if green == "good" else "Slipway.RolloutRolledBack") in types
