"""An MLflow server with MLflow's own client beside it, each in processes of their own, from PyPI."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.report import ROOT, clean_environment

VENV = ROOT / "build" / "peers" / "mlflow"
WORKER = Path(__file__).with_name("mlflow_worker.py")
START_TIMEOUT_S = 180.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def install() -> str:
    """Make the virtual environment unless it is there; MLflow's version."""
    python = VENV / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    if not python.exists():
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, VENV], check=True)
    ask = [python, "-c", "from importlib.metadata import version; print(version('mlflow'))"]
    if subprocess.run(ask, capture_output=True).returncode != 0:
        subprocess.run([uv, "pip", "install", "-q", "-p", python, "mlflow"], check=True)
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def mlflow_server(folder: Path, *, proxied: bool = True) -> Iterator[tuple[str, int]]:
    """`mlflow server` on SQLite and a folder: its URL and process id. It stops with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"]
    if not proxied:
        where = ["--default-artifact-root", str(folder / "artifacts"), "--no-serve-artifacts"]
    command = [VENV / "bin" / "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", *where]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**clean_environment(), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(url, process, folder / "server.log")
        yield url, process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: only what this server started
        process.wait()


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text(errors="replace")[-5000:]
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"MLflow does not answer:\n{log.read_text(errors='replace')[-5000:]}")


class MlflowClientProcess:
    """MLflow's client, in its own process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, **job: Any) -> dict[str, Any]:
        """See mlflow_worker. Raises AssertionError when the worker died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "MLflow's client ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def mlflow_client(url: str) -> AsyncIterator[MlflowClientProcess]:
    """The worker, ready."""
    process = await asyncio.create_subprocess_exec(
        *(VENV / "bin" / "python", WORKER, url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=1 << 26,
        env={**clean_environment(), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        preexec_fn=_die_with_parent,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline(), "MLflow's client did not start"
        yield MlflowClientProcess(process)
    finally:
        process.kill()
        await process.wait()


def fill(database: Path, names: int, versions: int, needles: int) -> None:
    """Models m0.. with `versions` versions in all, by plain SQL into MLflow's own tables: its API takes half an hour
    for 100,000."""
    now, each = int(time.time() * 1000), versions // names
    connection = sqlite3.connect(database, timeout=60)
    with connection:
        connection.executemany(
            "INSERT INTO registered_models (workspace, name, creation_time, last_updated_time)"
            " VALUES ('default', ?, ?, ?)",
            [(f"m{name}", now, now) for name in range(names)],
        )
        rows = [(i, f"m{i // each}", i % each + 1) for i in range(names * each)]
        connection.executemany(
            "INSERT INTO model_versions (workspace, name, version, creation_time, last_updated_time, current_stage,"
            " source, run_id, status) VALUES ('default', ?, ?, ?, ?, 'None', 'mlflow-artifacts:/0/r/artifacts/m', '',"
            " 'READY')",
            [(name, version, now + i, now + i) for i, name, version in rows],
        )
        tags = [(name, version, "needle", f"n{i // needles}") for i, name, version in rows]
        tags += [(name, version, "owner", f"team-{i % 10}") for i, name, version in rows]
        connection.executemany(
            "INSERT INTO model_version_tags (workspace, name, version, key, value) VALUES ('default', ?, ?, ?, ?)", tags
        )
    connection.close()


def memory_mb(pid: int) -> tuple[int, float]:
    """Processes of that session, and their memory in MB; what they share is counted once (proportional set size)."""
    pids = [int(each) for each in os.listdir("/proc") if each.isdecimal() and _session(int(each)) == pid]
    return len(pids), sum(map(pss_mb, pids))


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def pss_mb(pid: int) -> float:
    """The proportional set size of a process, in MB; 0 when it has gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:")), 0.0)
