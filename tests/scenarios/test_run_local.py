"""`slipway run local` and `slipway model package --context` with a real model, a real environment, a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.scenarios.local_host import ROOT, LocalHost, environment, running
from tests.scenarios.test_registry_commands import slipway

ROW = {"data": [[0.038, 0.05, 0.061, 0.021, -0.044, -0.034, -0.043, -0.002, 0.019, -0.017]]}
SCRIPT = """
import json
def init():
    global factor
    factor = 2
def run(raw):
    return [factor * value for value in json.loads(raw)["data"]]
"""


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LocalHost]:
    async with running(tmp_path / "data") as host:
        await slipway(host, "model", "push", str(ROOT / "examples" / "diabetes" / "model.yml"))
        yield host


@asynccontextmanager
async def serving(host: LocalHost, *arguments: str) -> AsyncIterator[str]:
    """The URL of `slipway run local diabetes` as a process, which ends by SIGTERM with exit code 0."""
    command = [sys.executable, "-m", "shared.cli.main", "--data-dir", str(host.data_dir), "run", "local", "diabetes"]
    log = host.data_dir.with_name("served.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", "0", *arguments], cwd=ROOT, env=environment(), stdout=out, stderr=out
        )
    try:
        async with asyncio.timeout(90):
            while (
                not (found := re.search(r"listening on port (\d+)", log.read_text())) or "ready" not in log.read_text()
            ):
                assert process.poll() is None, log.read_text()
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{found[1]}"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


async def test_a_model_is_served_as_its_image_serves_it(host: LocalHost) -> None:
    async with serving(host) as url, aiohttp.ClientSession(url) as http, http.post("/score", json=ROW) as answer:
        assert answer.status == 200
        (value,) = await answer.json()
        assert 150 < (value[0] if isinstance(value, list) else value) < 300
    folder = host.data_dir / "local" / "azureml-models" / "diabetes" / "1"
    assert [path.name for path in folder.iterdir()] == ["model.onnx"]


async def test_an_entry_script_is_tried_before_it_is_registered(host: LocalHost, tmp_path: Path) -> None:
    script = tmp_path / "score.py"
    script.write_text(SCRIPT)
    async with (
        serving(host, "--entry-script", str(script)) as url,
        aiohttp.ClientSession(url) as http,
        http.post("/score", data=json.dumps({"data": [1, 2]})) as answer,
    ):
        assert (answer.status, await answer.json()) == (200, [2, 4])


async def test_an_environment_that_was_removed_by_hand_is_built_again(host: LocalHost) -> None:
    async with serving(host):
        pass
    shown = json.loads((await slipway(host, "environment", "show", "slipway-onnx-serving", "-o", "json")).stdout)
    Path(shown["location"], "bin", "python").unlink()
    async with serving(host) as url, aiohttp.ClientSession(url) as http, http.get("/") as answer:
        assert answer.status == 200


async def test_a_build_context_holds_all_that_an_image_needs(host: LocalHost, tmp_path: Path) -> None:
    context = tmp_path / "context"
    base = "registry.example/base@sha256:" + "a" * 64
    await slipway(host, "model", "package", "diabetes", "--context", str(context), "--base-image", base)
    dockerfile = (context / "Dockerfile").read_text()
    assert dockerfile.startswith(f"FROM {base}\n")
    assert "USER 65532:65532\n" in dockerfile
    model = (ROOT / "examples" / "diabetes" / "model.onnx").read_bytes()
    assert (context / "azureml-models" / "diabetes" / "1" / "model.onnx").read_bytes() == model
    assert "onnxruntime==" in (context / "requirements.lock").read_text()
    assert os.access(context / "azureml-app" / "shared" / "scoring" / "__main__.py", os.R_OK)
    again = await slipway(host, "model", "package", "diabetes", "--context", str(context), code=4)
    assert "is not empty" in again.stderr
