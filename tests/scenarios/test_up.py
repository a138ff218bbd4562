"""What a user meets when `slipway up` starts and ends."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from tests.scenarios.local_host import LocalHost, command, environment, running, wait_until
from tests.scenarios.rest import drop, get, listed, numbers, push, versions_of


def refused(data_dir: Path, port: int) -> tuple[int, str]:
    """Exit code and standard error of a `slipway up` that must not start."""
    done = subprocess.run(
        command(data_dir, port), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr


async def test_ctrl_c_stops_it_cleanly(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        assert json.loads((tmp_path / "data" / "endpoint.json").read_text()) == {
            "url": host.url,
            "pid": host.process.pid,
        }
        await push(http, "kept", {"model.onnx": b"model"})
        await host.stop()
        assert not (tmp_path / "data" / "endpoint.json").exists()
        assert "Traceback" not in host.log()
        host.check_databases()
        await host.start()
        assert numbers(await versions_of(http, "kept")) == [1]


async def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        code, error = refused(tmp_path / "data", 0)
        assert code == 1
        assert f"{tmp_path / 'data'} is in use by another `slipway up` (process {host.process.pid})" in error
        assert "Traceback" not in error
        assert (await get(http, "/api/health"))["status"] == "Healthy"
        assert json.loads((tmp_path / "data" / "endpoint.json").read_text())["pid"] == host.process.pid


async def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, error = refused(tmp_path / "data", port)
    assert code == 1
    assert f"port {port} of 127.0.0.1 is in use by another process" in error
    assert "--port" in error
    assert "Traceback" not in error


async def waiting(host: LocalHost) -> list[list[str]]:
    """What the waiting uploads wait for."""
    async with host.client() as http:
        return [each["missing"] for each in await listed(http, "/api/uploads") if each["phase"] == "WaitingForFiles"]


@pytest.mark.parametrize("stopped", ["by Ctrl-C", "by kill -9"])
async def test_it_goes_on_where_it_stopped(tmp_path: Path, stopped: str) -> None:
    async with running(tmp_path / "data") as host:
        drop(tmp_path / "data", "new", {"model.yml": "name: late\npath: model.onnx\n"})
        await wait_until(lambda: waiting(host), 60, "the manifest waits")
        assert await waiting(host) == [["model.onnx"]]
        if stopped == "by Ctrl-C":
            await host.stop()
        else:
            host.kill()
        drop(tmp_path / "data", "new", {"model.onnx": b"it came while nobody looked"})
        await host.start()
        async with host.client() as http:
            await wait_until(lambda: versions_of(http, "late"), 60, "it is registered")
            assert numbers(await versions_of(http, "late")) == [1]
            await wait_until(lambda: not host.uploads(), 90, "the upload folder is clean")
            (upload,) = await listed(http, "/api/uploads")
            assert (upload["model_id"], upload["missing"]) == ("late:1", [])
