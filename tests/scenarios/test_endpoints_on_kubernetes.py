"""Endpoints declared for a cluster: packaged, applied, planned, shifted, rolled out, removed, by a control plane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.deployment_targets.kubernetes.names import object_name
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.doubles.kubernetes import KubernetesDouble, kubernetes_double
from tests.doubles.registry import registry_double
from tests.plane import CAUSE, events_of
from tests.scenarios import test_endpoints as endpoints
from tests.scenarios.test_endpoints import states
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call, prepared

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnline{}.schema.json\n"
ENDPOINT = SCHEMA.format("Endpoint") + "name: live\ncompute: azureml:k8s\nauth_mode: key\n"
GATEWAY = {"name": "approuting", "namespace": "app-routing-system"}


def deployment(name: str, more: str = "") -> str:
    head = f"name: {name}\ntype: kubernetes\nendpoint_name: live\nmodel: azureml:diabetes@latest\n"
    return SCHEMA.format("Deployment") + head + "environment: azureml:serve@latest\n" + more


def computes(double: KubernetesDouble, folder: Path, **more: Any) -> str:
    one = {
        "name": "k8s",
        "type": "kubernetes",
        "kubeconfig": str(double.kubeconfig(folder)),
        "gateway": GATEWAY,
        "host": "{endpoint}.models.example",
        "open_to_callers": True,
    }
    return json.dumps([{**one, **more}])


@pytest.fixture
async def double() -> AsyncIterator[KubernetesDouble]:
    async with kubernetes_double() as found:
        yield found


@pytest.fixture
async def plane(double: KubernetesDouble, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    async with registry_double() as registry:
        setting = computes(double, tmp_path)
        yield await prepared(tmp_path, image_repository=f"{registry.host}/models/slipway", computes=setting)


async def declare(plane: ControlPlane, files: dict[str, str], *, prune: bool = False) -> None:
    tree = SourceTree({path: text.encode() for path, text in files.items()})
    for outcome in await apply_tree(tree, None, SOURCE, plane.deps, CAUSE, prune=prune):
        # The model and the environment stay: an image is made of them.
        assert outcome.result != "refused" or (prune and outcome.kind in ("model", "environment")), outcome


until = partial(endpoints.until, kinds=("image", *endpoints.KINDS), timeout_s=120)


async def test_a_declared_endpoint_runs_on_the_cluster_and_leaves_it(
    plane: ControlPlane, double: KubernetesDouble
) -> None:
    resources = "resources: {requests: {cpu: 0.5, memory: 1Gi}}\n"
    files = {"endpoint.yml": ENDPOINT + "traffic: {blue: 100}\n", "blue.yml": deployment("blue", resources)}
    await declare(plane, files)
    found = await until(plane, lambda one: states(one) == {"blue": "Succeeded"})
    assert (found["target"], found["scoring_uri"]) == ("k8s", "https://live.models.example/score")
    blue = object_name("live", "blue")
    (container,) = double.one("deployments", blue)["spec"]["template"]["spec"]["containers"]
    assert "/models/slipway@sha256:" in container["image"]
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    plan = await call(plane, "get_endpoint_plan", 200, name="live")
    assert plan["changes"] == []
    assert {each["kind"] for each in plan["documents"]} >= {"Deployment", "Service", "HTTPRoute", "NetworkPolicy"}
    double.edit("deployments", blue, {"spec": {"replicas": 9}})
    await asyncio.sleep(1)  # a look may be a second old
    plan = await call(plane, "get_endpoint_plan", 200, name="live")
    assert plan["changes"] == [
        {
            "action": "update",
            "name": f"Deployment/{blue}",
            "fields": [{"pointer": "/spec/replicas", "there": 9, "declared": 1}],
        }
    ]
    await until(plane, lambda _: double.one("deployments", blue)["spec"]["replicas"] == 1)
    await declare(plane, {**files, "green.yml": deployment("green")})
    await until(plane, lambda one: states(one) == {"blue": "Succeeded", "green": "Succeeded"})
    await traffic_is_shared(plane, double)
    logs = await call(plane, "get_deployment_logs", 200, name="live", deployment="blue")
    assert f"== {blue}-" in logs["text"]
    assert "Microsoft.MachineLearningServices.ModelDeployed" in await events_of(plane)
    await declare(plane, {}, prune=True)
    async with asyncio.timeout(30):
        while double.cluster.objects:
            await plane._prune_endpoints()
            await asyncio.sleep(0.2)


async def traffic_is_shared(plane: ControlPlane, double: KubernetesDouble) -> None:
    await call(plane, "patch_endpoint_traffic", 200, {"traffic": {"blue": 90, "green": 10}}, name="live")
    await until(plane, lambda one: one["effective_traffic"] == {"blue": 90, "green": 10})
    rule = double.one("httproutes", object_name("live"))["spec"]["rules"][-1]
    shares = {each["name"]: each["weight"] for each in rule["backendRefs"]}
    assert shares == {object_name("live", "blue"): 90, object_name("live", "green"): 10}


async def test_what_cannot_run_says_why(plane: ControlPlane) -> None:
    unknown = ENDPOINT.replace("azureml:k8s", "azureml:elsewhere")
    await declare(plane, {"endpoint.yml": unknown, "blue.yml": deployment("blue")})
    found = await until(plane, lambda one: states(one) == {"blue": "Failed"} and one["provisioning_state"] == "Failed")
    assert "there is no compute 'elsewhere'" in json.dumps(found["deployments"][0]["conditions"])
    assert "k8s" in json.dumps(found["conditions"])
