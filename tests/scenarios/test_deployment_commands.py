"""`slipway deployment` and `slipway endpoint logs` of an endpoint on a cluster, against a real `slipway up`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import yaml
from aiohttp import web

from shared.deployment_targets.kubernetes.names import object_name
from tests.doubles.kubernetes import KubernetesDouble, kubernetes_double
from tests.doubles.registry import registry_double
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.test_endpoints_on_kubernetes import ENDPOINT, computes, deployment
from tests.scenarios.test_images import prepared
from tests.scenarios.test_registry_commands import slipway

BLUE = object_name("live", "blue")


async def test_what_is_applied_and_what_differs_is_shown_and_logs_are_read(tmp_path: Path) -> None:
    async with kubernetes_double() as double, registry_double() as registry:
        setting, repository = computes(double, tmp_path, open_to_callers=False), f"{registry.host}/models/slipway"
        await prepared(tmp_path, image_repository=repository, computes=setting)
        environ = {"SLIPWAY_IMAGE_BASE": str(tmp_path / "root"), "SLIPWAY_IMAGE_REPOSITORY": repository}
        async with running(tmp_path / "data", SLIPWAY_COMPUTES=setting, **environ) as host:
            (folder := tmp_path / "declared").mkdir()
            for name, text in (("endpoint.yml", ENDPOINT), ("blue.yml", deployment("blue"))):
                (folder / name).write_text(text)
            await slipway(host, "apply", "-f", str(folder))
            await runs(host, "blue")
            await rendered_is_applied(host, double)
            (pod,) = double.names("pods")
            double.logs[pod] = "loading the model\nready\n"
            logs = (await slipway(host, "endpoint", "logs", "live", "blue")).stdout
            assert logs.splitlines() == [f"== {pod}", "loading the model", "ready"]
            await slipway(host, "endpoint", "logs", "live", "green", code=3)
            await differences_are_shown(host, double)


async def runs(host: LocalHost, name: str) -> None:
    """Until the deployment takes requests."""
    async with asyncio.timeout(90):
        while True:
            shown = json.loads((await slipway(host, "endpoint", "show", "live", "-o", "json")).stdout)
            states = {one["name"]: one["provisioning_state"] for one in shown["deployments"]}
            if states.get(name) == "Succeeded" and shown["provisioning_state"] == "Succeeded":
                return
            await asyncio.sleep(0.3)


async def rendered_is_applied(host: LocalHost, double: KubernetesDouble) -> None:
    shown = (await slipway(host, "deployment", "render", "live")).stdout
    documents = list(yaml.safe_load_all(shown))
    assert {"Deployment", "Service", "Secret", "HTTPRoute"} <= {each["kind"] for each in documents}
    for each in documents:
        plural = {"NetworkPolicy": "networkpolicies"}.get(each["kind"], f"{each['kind'].lower()}s")
        applied = double.one(plural, each["metadata"]["name"])
        assert applied["metadata"]["annotations"] == each["metadata"]["annotations"]  # a digest of all is among them
        if each["kind"] == "Secret":
            assert set(each["data"].values()) == {"***"}
            assert not [value for value in applied["data"].values() if value in shown]
    only = yaml.safe_load_all((await slipway(host, "deployment", "render", "live/blue")).stdout)
    assert {each["metadata"]["name"] for each in only} == {BLUE}
    assert "no deployment 'red'" in (await slipway(host, "deployment", "render", "live/red", code=3)).stderr
    await slipway(host, "deployment", "render", "absent", code=3)


async def differences_are_shown(host: LocalHost, double: KubernetesDouble) -> None:
    said = await slipway(host, "deployment", "diff", "live", "--exit-code")
    assert said.stdout.strip() == "No differences."
    double.before = no_writes  # what differs would be put right
    double.edit("deployments", BLUE, {"spec": {"replicas": 9}})
    del double.cluster.objects["services", "slipway", BLUE]
    async with asyncio.timeout(30):  # a look may be a second old
        while "replicas" not in (found := (await slipway(host, "deployment", "diff", "live")).stdout):
            await asyncio.sleep(0.2)
    lines = found.splitlines()
    assert f"+ Service/{BLUE}" in lines
    assert lines[lines.index(f"~ Deployment/{BLUE}") + 1] == "    /spec/replicas: 9 -> 1"
    await slipway(host, "deployment", "diff", "live", "--exit-code", code=1)
    changes = json.loads((await slipway(host, "deployment", "diff", "live", "-o", "json")).stdout)
    assert sorted(one["action"] for one in changes) == ["create", "update"]
    await slipway(host, "deployment", "diff", "absent", code=3)


async def no_writes(request: web.Request) -> web.Response | None:
    return None if request.method == "GET" else web.Response(status=503)
