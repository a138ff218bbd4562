"""`slipway deployment` and `slipway endpoint logs` of an endpoint in a container group, against an instance with the
settings of Azure."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from click.testing import Result

from shared.deployment_targets.aci.render import group_name
from tests.doubles.cli import Cli
from tests.doubles.container_instances import AciDouble, failed
from tests.scenarios.azure_fleet import azure_fleet
from tests.scenarios.local_host import wait_until
from tests.scenarios.rest import create_upload, register, send
from tests.scenarios.test_azure_instances import DECLARED, QUICK, outside

GROUP = group_name("live")
FILES = {**DECLARED, "endpoint.yml": DECLARED["endpoint.yml"].replace("azureml:k8s", "azureml:aci")}
Slipway = Callable[..., Any]


@pytest.mark.slow
async def test_what_is_put_and_what_differs_is_shown_and_logs_are_read(tmp_path: Path) -> None:
    async with azure_fleet(tmp_path, random.randrange(2**32), **QUICK) as azure:
        await azure.fleet.start("one")
        async with azure.fleet.client() as http, outside(azure) as web_client:
            session = await create_upload(http, "model.onnx")
            await send(web_client, session["files"][0], b"a model")
            body = {"upload_id": session["upload_id"], "model": {"name": "pushed", "path": "model.onnx"}}
            status, version = await register(http, body)
            assert status == 201, version
        (folder := tmp_path / "declared").mkdir()
        for name, text in FILES.items():
            (folder / name).write_text(text)
        key = azure.fleet.secrets.host_keys["default"]
        cli = Cli(azure.fleet.front_end.url, tmp_path)

        async def slipway(*arguments: str, code: int = 0) -> Result:
            result = await asyncio.to_thread(cli, *arguments, key=key)
            assert result.exit_code == code, result.output
            return result

        await slipway("apply", "-f", str(folder))

        async def runs() -> bool:
            shown = json.loads((await slipway("endpoint", "show", "live", "-o", "json")).stdout)
            return [one["provisioning_state"] for one in shown["deployments"]] == ["Succeeded"]

        await wait_until(runs, 120, "it runs", poll_s=0.3)
        logs = await slipway("endpoint", "logs", "live", "blue")
        assert logs.stdout.splitlines() == ["one", "two", "three"]
        await slipway("endpoint", "logs", "live", "green", code=3)
        await shown_is_put(slipway, azure.platform.groups)
        assert set(azure.tokens.asked) >= {azure.platform.resource}
        assert azure.tokens.refused == []


async def shown_is_put(slipway: Slipway, groups: AciDouble) -> None:
    (shown,) = yaml.safe_load_all((await slipway("deployment", "render", "live")).stdout)
    put = {name: value for name, value in groups.groups[GROUP].items() if name not in ("id", "name")}
    assert shown == put
    assert shown["properties"]["containers"][0]["properties"]["image"].startswith("slipway.azurecr.io/")
    assert list(yaml.safe_load_all((await slipway("deployment", "render", "live/blue")).stdout)) == [shown]
    await slipway("deployment", "render", "live/red", code=3)
    assert (await slipway("deployment", "diff", "live", "--exit-code")).stdout.strip() == "No differences."

    async def no_writes(request: web.Request) -> web.Response | None:
        return None if request.method == "GET" else failed(503, "ServiceUnavailable")

    groups.before = no_writes  # what differs would be put right
    digest, groups.groups[GROUP]["tags"]["slipway-digest"] = shown["tags"]["slipway-digest"], "other"
    found = (await slipway("deployment", "diff", "live", "--exit-code", code=1)).stdout.splitlines()
    assert found == [f"~ containerGroups/{GROUP}", f'    /tags/slipway-digest: "other" -> "{digest}"']
    del groups.groups[GROUP], groups.states[GROUP]
    found = (await slipway("deployment", "diff", "live", "--exit-code", code=1)).stdout.splitlines()
    assert found == [f"+ containerGroups/{GROUP}"]
