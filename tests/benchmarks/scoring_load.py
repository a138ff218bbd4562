"""Starts servers and loads them with wrk (Debian's package of that name)."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.report import clean_environment
from tests.benchmarks.scoring_peers import Peer

START_TIMEOUT_S = 120.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_LUA = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
"""
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """What wrk measured."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # processor time of the server's processes for a request; other work on the machine hardly changes it


@dataclass
class Running:
    """A started server."""

    peer: Peer
    port: int
    process: subprocess.Popen[bytes]
    start_s: float  # from the process's start to the first good answer

    def peak_mb(self) -> float:
        """Peak resident memory of it and all its children, summed."""
        return sum(_peak_kb(pid) for pid in _family(self.process.pid)) / 1024

    def cpu_s(self) -> float:
        """Processor time that it and all its children have used."""
        ticks = 0
        for pid in _family(self.process.pid):
            parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(parts[11]) + int(parts[12])  # utime and stime, man 5 proc
        return ticks / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(each for child in children for each in _family(child))]


def _peak_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@contextlib.contextmanager
def started(peer: Peer, model: Path, work: Path, rows: list[list[float]]) -> Iterator[Running]:
    """The server, when it answers; it stops with the block. Raises RuntimeError, with its log, when it does not."""
    python = peer.python()
    port, spare, third = _ports(3)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    values = {
        "python": str(python), "bin": str(python.parent), "port": port, "spare": spare, "third": third,
        "model": str(model / "model.onnx"), "folder": str(model), "work": str(work),
    }  # fmt: skip
    for name, text in peer.files.items():
        (work / name).write_text(text.format(**values))
    environ = {**clean_environment(), **{name: text.format(**values) for name, text in peer.environ.items()}}
    environ["PATH"] = f"{python.parent}{os.pathsep}{environ['PATH']}"
    if "save.py" in peer.files:
        subprocess.run([python, "save.py"], cwd=work, env=environ, check=True, capture_output=True)
    began = time.perf_counter()
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(
            [part.format(**values) for part in peer.command],
            cwd=work, env=environ, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        )  # fmt: skip
    try:
        _await_answer(peer, port, process, rows, work / "log")
        yield Running(peer, port, process, time.perf_counter() - began)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_answer(peer: Peer, port: int, process: subprocess.Popen[bytes], rows: list[list[float]], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    said = ""
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", peer.path, peer.body(rows), {"Content-Type": "application/json"})
            response = connection.getresponse()
            said = f"{response.status} {response.read()[:300]!r}"
            if response.status == 200:
                return
        except OSError as error:
            said = str(error)
        finally:
            connection.close()
        time.sleep(0.01)
    raise RuntimeError(f"{peer.name} does not answer ({said}):\n{log.read_text()[-3000:]}")


def load(running: Running, rows: list[list[float]], concurrency: int, seconds: float, work: Path) -> Load:
    """A closed loop of so many connections. Raises RuntimeError when an answer is no 2xx, or wrk is not there."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    body, script = work / "body", work / "post.lua"
    body.write_bytes(running.peer.body(rows))
    script.write_text(_LUA.format(body=body))
    url = f"http://127.0.0.1:{running.port}{running.peer.path}"
    command = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds:g}s", "--latency", "-s", str(script), url]
    before_s = running.cpu_s()
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{running.peer.name}:\n{text}")
    cpu_s = running.cpu_s() - before_s
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", text), re.search(r"(\d+) requests in", text)
    if rate is None or count is None:
        raise RuntimeError(text)
    cpu_us = cpu_s * 1e6 / max(1, int(count[1]))
    return Load(float(rate[1]), _latency_ms(text, "50"), _latency_ms(text, "99"), cpu_us)


def _latency_ms(text: str, percent: str) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(text)
    return float(found[1]) * _UNITS_MS[found[2]]
