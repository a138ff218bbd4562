"""A module's createOptions are what a real container engine's create call takes: podman's, by the Docker API that it
serves on a socket."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.deployment_targets.iot_edge.create_options import joined
from shared.deployment_targets.iot_edge.manifest import layer_content, module_of
from tests.scenarios.local_host import wait_until
from tests.unit.iot_edge.samples import devices
from tests.unit.kubernetes.samples import deployment, endpoint

pytestmark = pytest.mark.slow
API = "http://engine/v1.41"
IMAGE = "localhost/module:1"
HOSTILE = '"},"HostConfig":{"Privileged":true},"x":{"$(id)\n'
LIMITS = {"cpu": "0.5", "memory": "256Mi"}


@pytest.fixture
async def engine() -> AsyncIterator[aiohttp.ClientSession]:
    """Podman's API with an image of one file; its folders are its own, and short: podman takes no long ones."""
    podman = shutil.which("podman")
    if podman is None:
        pytest.skip("podman is not installed (apt-get install podman)")
    folder = Path(tempfile.mkdtemp(prefix="podman-"))
    own = [podman, "--root", str(folder / "root"), "--runroot", str(folder / "run")]
    environ = {**os.environ, "STORAGE_DRIVER": "vfs", "TMPDIR": str(folder)}
    (folder / "image.tar").write_bytes(image_with(b"a module"))
    socket = folder / "api.sock"
    serving: subprocess.Popen[bytes] | None = None
    try:
        subprocess.run([*own, "import", "--quiet", folder / "image.tar", IMAGE], check=True, env=environ, timeout=120)
        serving = subprocess.Popen([*own, "system", "service", "--time", "0", f"unix://{socket}"], env=environ)
        await wait_until(socket.exists, 60, "podman serves its API")
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as http:
            yield http
    finally:
        if serving is not None:
            serving.terminate()
            await asyncio.to_thread(serving.wait, 60)
        subprocess.run([*own, "system", "reset", "--force"], check=False, env=environ, capture_output=True, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def image_with(content: bytes) -> bytes:
    """A root file system of one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("server")
        member.size, member.mode = len(content), 0o755
        tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def create_call(**compute: Any) -> dict[str, Any]:
    """What edgeAgent sends for a module: its createOptions, joined from their pieces, with its image and variables."""
    one = deployment(container={"limits": LIMITS}, environ={"HOSTILE": HOSTILE})
    module = module_of(layer_content(one, endpoint(), devices(**compute)))
    environ = [f"{name}={said['value']}" for name, said in module["env"].items()]
    return {**joined(module["settings"]), "Image": IMAGE, "Env": environ, "Cmd": ["/server"]}


@pytest.mark.parametrize("compute", [{}, {"host_port": 5001}], ids=["no port", "a port of the device"])
async def test_an_engine_takes_the_options_and_keeps_them(
    engine: aiohttp.ClientSession, compute: dict[str, Any]
) -> None:
    body = create_call(**compute)
    async with engine.post(f"{API}/containers/create", params={"name": "module"}, json=body) as answer:
        made = await answer.json()
        assert answer.status == 201, made
    async with engine.get(f"{API}/containers/{made['Id']}/json") as answer:
        found = await answer.json()
        assert answer.status == 200, found
    host, asked = found["HostConfig"], body["HostConfig"]
    for name in ("Memory", "MemorySwap", "NanoCpus", "PidsLimit", "ReadonlyRootfs"):
        assert host[name] == asked[name], name
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert "/tmp" in host["Tmpfs"]
    assert {"CHOWN", "SETUID", "NET_BIND_SERVICE"} <= {name.removeprefix("CAP_") for name in host["CapDrop"]}  # of ALL
    assert found["Config"]["User"] == "65532:65532"
    assert f"HOSTILE={HOSTILE}" in found["Config"]["Env"]
    assert {port: bound for port, bound in host["PortBindings"].items() if bound} == asked.get("PortBindings", {})


async def test_an_engine_refuses_what_is_no_option(engine: aiohttp.ClientSession) -> None:
    """So that what it takes means something."""
    body = create_call()
    body["HostConfig"]["Memory"] = "256Mi"
    async with engine.post(f"{API}/containers/create", json=body) as answer:
        assert answer.status >= 400, await answer.text()
