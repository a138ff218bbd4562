"""`slipway up` as a process: one folder, one port, a clean stop, and everything wired together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys
from pathlib import Path
from shared.local_host.up import run
sys.exit(asyncio.run(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), module_name=sys.argv[4])))
"""
SAMPLE = "tests.functions.sample_app.function_app"


async def start(
    data_dir: Path, *, host: str = "127.0.0.1", port: int = 0, module: str = SAMPLE, **environ: str
) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        str(data_dir),
        host,
        str(port),
        module,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def said(process: asyncio.subprocess.Process, last: str = "Ctrl-C") -> str:
    """What it says up to the line with `last`: by default until it is ready."""
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(60):
        while line := await process.stdout.readline():
            lines.append(line.decode())
            if last in lines[-1]:
                return "".join(lines)
    assert process.stderr is not None
    raise AssertionError((await process.stderr.read()).decode())


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Its exit code and what it wrote to standard error."""
    async with asyncio.timeout(60):
        _, stderr = await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


@asynccontextmanager
async def up(data_dir: Path, **options: Any) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await start(data_dir, **options)
    try:
        await said(process)
        yield process, json.loads((data_dir / "endpoint.json").read_text())["url"]
    finally:
        if process.returncode is None:
            process.terminate()
        assert await ended(process) is not None


def calls(data_dir: Path) -> list[tuple[str, Any]]:
    path = data_dir / "calls.jsonl"
    if not path.exists():
        return []
    return [(call["function"], call["what"]) for call in map(json.loads, path.read_text().splitlines())]


async def until(question: Callable[[], Any]) -> None:
    async with asyncio.timeout(60):
        while not question():
            await asyncio.sleep(0.02)


async def test_a_dropped_file_reaches_the_queue_function_and_the_rest_is_served(tmp_path: Path) -> None:
    async with up(tmp_path, SLIPWAY_WORK_QUEUE="jobs") as (process, url), aiohttp.ClientSession() as http:
        endpoint = json.loads((tmp_path / "endpoint.json").read_text())
        assert endpoint == {"url": url, "pid": process.pid}
        await until(lambda: ("sweep", False) in calls(tmp_path))
        (tmp_path / "uploads").mkdir(exist_ok=True)
        (tmp_path / "uploads" / "model.onnx").write_bytes(b"model")
        await until(lambda: [what for name, what in calls(tmp_path) if name == "reconcile"])
        assert dict(calls(tmp_path))["reconcile"].endswith("/model.onnx")
        async with http.get(f"{url}/api/hello/you") as answer:
            assert answer.status == 401
        key = json.loads((tmp_path / "secrets.json").read_text())["host_keys"]["default"]
        async with http.get(f"{url}/api/hello/you", headers={"x-functions-key": key}) as answer:
            assert await answer.text() == "hello you from default"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_lets_requests_end_and_leaves_no_endpoint_behind(tmp_path: Path, number: signal.Signals) -> None:
    process = await start(tmp_path)
    text = await said(process)
    url = json.loads((tmp_path / "endpoint.json").read_text())["url"]
    assert url in text
    assert str(tmp_path) in text
    secrets = json.loads((tmp_path / "secrets.json").read_text())
    assert secrets["master_key"] not in text
    async with aiohttp.ClientSession() as http:
        request = asyncio.create_task(http.post(f"{url}/api/slow"))
        await until(lambda: ("slow", "began") in calls(tmp_path))
        process.send_signal(number)
        await said(process, "Stopping")
        (tmp_path / "go").touch()
        async with await request as answer:
            assert (answer.status, await answer.text()) == (200, "done")
    code, errors = await ended(process)
    assert code == 0, errors
    assert not (tmp_path / "endpoint.json").exists()


async def test_it_goes_on_where_a_killed_one_stopped(tmp_path: Path) -> None:
    process = await start(tmp_path)
    await said(process)
    first_keys = (tmp_path / "secrets.json").read_text()
    process.kill()
    await ended(process)
    assert (tmp_path / "endpoint.json").exists()
    async with up(tmp_path) as (_, url):
        assert json.loads((tmp_path / "endpoint.json").read_text())["url"] == url
        assert (tmp_path / "secrets.json").read_text() == first_keys


async def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with up(tmp_path) as (process, _):
        code, errors = await ended(await start(tmp_path))
        assert code == 1
        assert f"in use by another `slipway up` (process {process.pid})" in errors
        assert "Traceback" not in errors
        assert (tmp_path / "endpoint.json").exists()


async def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = await ended(await start(tmp_path, port=port))
    assert code == 1
    assert f"port {port} of 127.0.0.1 is in use" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"module": "no.such.app"}, "cannot be imported"),
        ({"module": "json"}, "no top level function app"),
        ({"SLIPWAY_EVENTGRID_BACKOFF_SCALE": "0"}, "SLIPWAY_EVENTGRID_BACKOFF_SCALE"),
        ({"port": 70000}, "is not a port"),
        ({"host": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
    ],
)
async def test_what_cannot_start_says_why(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    code, errors = await ended(await start(tmp_path, **options))
    assert code == 1
    assert reason in errors
    assert "Traceback" not in errors


async def test_listening_for_others_is_warned_of(tmp_path: Path) -> None:
    process = await start(tmp_path, host="0.0.0.0")
    await said(process)
    assert json.loads((tmp_path / "endpoint.json").read_text())["url"].startswith("http://127.0.0.1:")
    process.terminate()
    code, errors = await ended(process)
    assert code == 0
    assert "WARNING: 0.0.0.0 can be reached from other machines" in errors
