"""The local router against calling a server directly, with nginx and HAProxy beside it. wrk asks; all take turns.

wrk, nginx and HAProxy are Debian's packages of these names. Each router has one process with one thread.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.report import BUILD, Result, Table, spread
from tests.scenarios.router_machine import Started, wait_for
from tests.scenarios.scoring_server import MODEL, ROW, serving

PROGRAMS = ("wrk", "nginx", "haproxy")
CONCURRENCY = 16
GOAL_SHARE, GOAL_MORE_MS = 0.40, 0.3
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = os.getenv("BODY")
function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('RESULT {"requests": %d, "seconds": %f, "bad": %d, "p50_us": %f, "p99_us": %f}\\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(50), latency:percentile(99)))
end
"""
NGINX = """
daemon off; master_process off; worker_processes 1; error_log {folder}/nginx-errors.log; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; keepalive_requests 1000000000;
  upstream blue {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://blue; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind 127.0.0.1:{port}
  default_backend blue
backend blue
  server blue 127.0.0.1:{upstream}
"""


async def measure(quick: bool) -> Result:
    """Both upstreams in turn. Raises FileNotFoundError when a program is missing."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)}: install Debian's packages of these names")
    BUILD.mkdir(parents=True, exist_ok=True)
    rounds, seconds = (1, 1) if quick else (7, 2)
    samples, tables = {}, []
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="router-") as name:
        folder = Path(name)
        with serving(folder / "scoring", "--model", str(MODEL)) as server:
            body = json.dumps({"data": [ROW]})
            samples["scoring"] = _rounds(folder, server.port, body, rounds, seconds)
        tables.append(_table("Before the scoring server (a row of the diabetes model)", samples["scoring"]))
        light = Started(folder / "light.log", "-m", "tests.doubles.model_server", "light", "0").listening()
        try:
            samples["light"] = _rounds(folder, light.port, "{}", rounds, seconds)
        finally:
            light.kill()
        tables.append(_table("Before a server that does nothing", samples["light"]))
    return Result("router", tables, samples)


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin"


def _rounds(folder: Path, upstream: int, body: str, rounds: int, seconds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {}
    script = folder / "ask.lua"
    script.write_text(LUA)
    with ExitStack() as stack:
        targets: dict[str, tuple[int, int]] = {"directly": (upstream, 0)}
        for name, start in (("router", _router), ("nginx", _nginx), ("HAProxy", _haproxy)):
            targets[name] = stack.enter_context(start(folder, upstream))
        for index in range(rounds + 1):
            for name, (port, pid) in targets.items():
                sample = _sample(script, port, pid, body, seconds if index else 1)
                if index:  # the first round opens connections and fills caches
                    found.setdefault(name, []).append(sample)
    return found


def _sample(script: Path, port: int, pid: int, body: str, seconds: int) -> dict[str, float]:
    before = _cpu_s(pid)
    many = _wrk(script, port, body, CONCURRENCY, seconds)
    cpu_us = (_cpu_s(pid) - before) / many["requests"] * 1e6
    one = _wrk(script, port, body, 1, seconds)
    assert many["bad"] == one["bad"] == 0, (port, many, one)
    return {
        "requests_per_s": many["requests"] / many["seconds"],
        "p99_ms": many["p99_us"] / 1000,
        "p50_alone_ms": one["p50_us"] / 1000,
        "cpu_us": cpu_us,
    }


def _wrk(script: Path, port: int, body: str, connections: int, seconds: int) -> dict[str, float]:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}/score"]
    done = subprocess.run(command, env={**os.environ, "BODY": body}, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return result


def _cpu_s(pid: int) -> float:
    """CPU time of a process; 0 for no process."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _router(folder: Path, upstream: int) -> Iterator[tuple[int, int]]:
    path = folder / "router.json"
    path.write_text(json.dumps({"deployments": {"blue": {"weight": 100, "processes": [f"127.0.0.1:{upstream}"]}}}))
    started = Started(folder / "router.log", "-m", "shared.router", "--config", str(path), "--port", "0").listening()
    try:
        yield started.port, started.process.pid
    finally:
        started.kill()


@contextmanager
def _nginx(folder: Path, upstream: int) -> Iterator[tuple[int, int]]:
    with _program(folder, "nginx.conf", NGINX, upstream, ["nginx", "-c", str(folder / "nginx.conf")]) as found:
        yield found


@contextmanager
def _haproxy(folder: Path, upstream: int) -> Iterator[tuple[int, int]]:
    with _program(folder, "haproxy.cfg", HAPROXY, upstream, ["haproxy", "-f", str(folder / "haproxy.cfg")]) as found:
        yield found


@contextmanager
def _program(folder: Path, name: str, config: str, upstream: int, command: list[str]) -> Iterator[tuple[int, int]]:
    port = 20_000 + os.getpid() % 10_000 + len(name)
    (folder / name).write_text(config.format(folder=folder, port=port, upstream=upstream))
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, "PATH": _path()}, stdout=log, stderr=log)
    try:
        wait_for(f"{command[0]} answers", lambda: _answers(port))
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        time.sleep(0.05)
        return False
    return True


def _table(title: str, found: dict[str, list[dict[str, float]]]) -> Table:
    def middle(name: str, key: str) -> float:
        return statistics.median(sample[key] for sample in found[name])

    rows = []
    for name, samples in found.items():
        share = middle(name, "requests_per_s") / middle("directly", "requests_per_s")
        more_ms = middle(name, "p50_alone_ms") - middle("directly", "p50_alone_ms")
        row: list[Any] = [name, spread([sample["requests_per_s"] for sample in samples]), f"{share:.0%}"]
        row += [f"{middle(name, 'p99_ms'):.1f}", spread([sample["p50_alone_ms"] for sample in samples], ".3f")]
        row += [f"{more_ms:+.3f}", f"{middle(name, 'cpu_us'):.0f}" if middle(name, "cpu_us") else ""]
        rows.append(tuple(row))
    columns = (
        "asked",
        f"requests/s, {CONCURRENCY} at a time",
        "of directly",
        "p99, ms",
        "p50 alone, ms",
        "more, ms",
        "its CPU, µs/request",
    )
    note = f"Goals of the router: at least {GOAL_SHARE:.0%} of directly, and at most {GOAL_MORE_MS} ms more alone."
    return Table(title, columns, rows, note)
