"""How long from `slipway apply` to the first answer of an endpoint whose environment is there: real processes."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path

import aiohttp

from shared.adapters.local.endpoint_processes import stop_all
from tests.benchmarks.report import BUILD, ROOT, Result, Table, percentile, spread
from tests.scenarios.local_host import LocalHost, environment, running
from tests.scenarios.rest import document

GOAL_S = 2.0
TIMEOUT_S = 120.0
POLL_S = 0.01
ROW = {"data": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]}
SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/managedOnline{}.schema.json\n"
ENDPOINT = SCHEMA.format("Endpoint") + "name: {name}\ntraffic: {{blue: 100}}\n"
DEPLOYMENT = SCHEMA.format("Deployment") + (
    "name: blue\nendpoint_name: {name}\nmodel: azureml:diabetes@latest\n"
    "instance_type: Standard_DS3_v2\ninstance_count: 1\n"
)


async def measure(quick: bool) -> Result:
    """Endpoints one after the other; the first builds the environment, and is not counted."""
    folder = BUILD / f"deploy-{time.time_ns()}"
    applied, answered = [], []
    try:
        async with running(folder / "data") as host, host.client() as http:
            for number in range(3 if quick else 11):
                declared = _declared(folder / f"live{number}", f"live{number}", with_model=number == 0)
                took = await _deploy(host, http, declared)
                if number:
                    applied.append(took[0])
                    answered.append(took[1])
    finally:
        await stop_all(folder / "data" / "endpoints")  # they outlive a control plane that is killed
        shutil.rmtree(folder, ignore_errors=True)
    reached = percentile(answered, 0.5) < GOAL_S
    table = Table(
        "An endpoint with one deployment, its environment built before",
        ("rounds", "`slipway apply` has ended, s", "first answer of the model, s"),
        [(f"{len(answered)}", spread(applied, ".2f"), spread(answered, ".2f"))],
        f"From the start of the command. Goal: under {GOAL_S:g} s: {'reached' if reached else 'missed'}.",
    )
    return Result("deploy", [table], {"applied_s": applied, "answered_s": answered})


def _declared(folder: Path, name: str, *, with_model: bool) -> Path:
    folder.mkdir(parents=True)
    (folder / "endpoint.yml").write_text(ENDPOINT.format(name=name))
    (folder / "blue.yml").write_text(DEPLOYMENT.format(name=name))
    if with_model:
        (folder / "model.yml").write_text("name: diabetes\ntype: custom_model\npath: model.onnx\n")
        shutil.copy(ROOT / "examples" / "diabetes" / "model.onnx", folder)
    return folder


async def _deploy(host: LocalHost, http: aiohttp.ClientSession, declared: Path) -> tuple[float, float]:
    """Seconds until the command has ended, and until the model has answered."""
    command = ("-m", "shared.cli.main", "--data-dir", str(host.data_dir), "apply", "-f", str(declared))
    began_s = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, env=environment(), stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(TIMEOUT_S):
        answering = asyncio.create_task(_answer(http, declared.name))
        assert await process.wait() == 0
        applied_s = time.perf_counter() - began_s
        await answering
    return applied_s, time.perf_counter() - began_s


async def _answer(http: aiohttp.ClientSession, name: str) -> None:
    """Returns when the endpoint's model has answered a row."""
    while (uri := await _scoring_uri(http, name)) is None:
        await asyncio.sleep(POLL_S)
    async with http.post(f"/api/endpoints/{name}/credentials") as answer:
        key = (await document(answer, 200))["primary_key"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as caller:
        while not await _is_answered(caller, uri):
            await asyncio.sleep(POLL_S)


async def _scoring_uri(http: aiohttp.ClientSession, name: str) -> str | None:
    async with http.get(f"/api/endpoints/{name}") as answer:
        found = await document(answer, 200, 404)
    uri: str | None = found.get("scoring_uri") or None  # "" before the router has a port
    return uri


async def _is_answered(caller: aiohttp.ClientSession, uri: str) -> bool:
    try:
        async with caller.post(uri, json=ROW) as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
