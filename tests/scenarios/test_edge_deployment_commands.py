"""`slipway deployment` and `slipway endpoint logs` of an endpoint on devices, against a real `slipway up`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.doubles.iot_hub import KEY, HubDouble, fault, iot_hub_double
from tests.doubles.registry import registry_double
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.test_deployment_commands import runs
from tests.scenarios.test_endpoints_on_kubernetes import deployment
from tests.scenarios.test_images import prepared
from tests.scenarios.test_registry_commands import slipway
from tests.scenarios.test_rollouts_on_iot_edge import ENDPOINT, compute, fleet

SECRETS = {"EDGE_HUB_KEY": KEY, "EDGE_PASSWORD": "pull-token"}


async def test_what_is_put_and_what_differs_is_shown_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    async with iot_hub_double(tmp_path, *fleet()) as double, registry_double() as registry:
        setting, repository = json.dumps([compute(double)]), f"{registry.host}/models/slipway"
        await prepared(tmp_path, image_repository=repository, computes=setting)
        environ = {"SLIPWAY_IMAGE_BASE": str(tmp_path / "root"), "SLIPWAY_IMAGE_REPOSITORY": repository, **SECRETS}
        async with running(tmp_path / "data", SLIPWAY_COMPUTES=setting, **environ) as host:
            (folder := tmp_path / "declared").mkdir()
            (folder / "endpoint.yml").write_text(ENDPOINT + "traffic: {blue: 100}\n")
            (folder / "blue.yml").write_text(deployment("blue"))
            await slipway(host, "apply", "-f", str(folder))
            await runs(host, "blue")
            await shown_is_put(host, double)
            logs = await slipway(host, "endpoint", "logs", "live", "blue", code=4)
            assert "iotedge logs" in logs.stderr
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert KEY.encode() not in kept
    assert b"pull-token" not in kept
    assert b"SharedAccessSignature" not in kept


async def shown_is_put(host: LocalHost, double: HubDouble) -> None:
    shown = (await slipway(host, "deployment", "render", "live")).stdout
    assert "pull-token" not in shown
    base, layer = yaml.safe_load_all(shown)
    assert {base["id"], layer["id"]} == set(double.stored)
    assert layer == double.stored[layer["id"]].document
    only = list(yaml.safe_load_all((await slipway(host, "deployment", "render", "live/blue")).stdout))
    assert only == [layer]
    await slipway(host, "deployment", "render", "live/red", code=3)
    said = await slipway(host, "deployment", "diff", "live", "--exit-code")
    assert said.stdout.strip() == "No differences."

    async def no_writes(request: web.Request) -> web.Response | None:
        return None if request.method == "GET" else fault(503, "ServiceUnavailable", "later")

    double.before = no_writes  # what differs would be put right
    double.stored[layer["id"]].document["priority"] = 3
    del double.stored[base["id"]]
    found = (await slipway(host, "deployment", "diff", "live", "--exit-code", code=1)).stdout.splitlines()
    assert found == [
        f"+ Configuration/{base['id']}",
        f"~ Configuration/{layer['id']}",
        "    /priority: 3 -> 12",
    ]
