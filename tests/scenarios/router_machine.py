"""A router and the processes behind it, all real, for tests: start, configure, kill, ask."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.scenarios.local_host import ROOT, _die_with_parent

START_TIMEOUT_S = 30.0


def wait_for(what: str, is_so: Any, timeout_s: float = START_TIMEOUT_S) -> None:
    """Returns when `is_so()` is true. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {what}"
        time.sleep(0.01)


class Started:
    """A process of Python that says `listening on port N`."""

    def __init__(self, log_path: Path, *arguments: str) -> None:
        self.log_path = log_path
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.port = 0

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def listening(self) -> Started:
        """Itself, when it listens."""

        def found() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()[-5000:]}"
            return "listening on port" in self.log()

        wait_for("it listens", found)
        match = re.search(r"listening on port (\d+)", self.log())
        assert match
        self.port = int(match[1])
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


class RouterMachine:
    """A router with its file, and model servers by name."""

    def __init__(self, folder: Path, deployments: dict[str, Any], **fields: Any) -> None:
        self.folder = folder
        self.config_path = folder / "router.json"
        self.revision = 0
        self.started: list[Started] = []
        self._write(deployments, fields)
        self.router = self._start("router", "-m", "shared.router", "--config", str(self.config_path), "--port", "0")
        self.router.listening()
        self.client = httpx.Client(base_url=f"http://{self.router.address}", timeout=30)

    def _start(self, name: str, *arguments: str) -> Started:
        started = Started(self.folder / f"{name}-{len(self.started)}.log", *arguments)
        self.started.append(started)
        return started

    def server(self, name: str, port: int = 0) -> Started:
        """A model server of that name; it need not listen yet."""
        return self._start(name, "-m", "tests.doubles.model_server", name, str(port))

    def _write(self, deployments: dict[str, Any], fields: dict[str, Any]) -> None:
        self.revision += 1
        document = {"revision": str(self.revision), "deployments": deployments, **fields}
        new = self.config_path.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.replace(self.config_path)

    def write(self, deployments: dict[str, Any], **fields: Any) -> None:
        """Replace the file, and wait until it is in force."""
        self._write(deployments, fields)
        wait_for("the file is in force", lambda: f'revision="{self.revision}"' in self.metrics())

    def metrics(self) -> str:
        return self.client.get("/metrics").text

    def metric(self, sample: str) -> float:
        """The value of a sample by its name with labels; 0 when it is not there."""
        for line in self.metrics().splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    def exchange(self, sent: bytes) -> bytes:
        """All that comes back for these bytes until the router closes."""
        with socket.create_connection(("127.0.0.1", self.router.port), timeout=10) as connection:
            connection.sendall(sent)
            received = b""
            while chunk := connection.recv(65_536):
                received += chunk
            return received

    def close(self) -> None:
        """End everything."""
        self.client.close()
        for started in self.started:
            if started.process.poll() is None:
                started.process.kill()
            started.process.wait()


@contextmanager
def asking(machine: RouterMachine, path: str, method: str = "POST") -> Iterator[list[httpx.Response]]:
    """A request that is sent beside what the context does; its answer is there afterwards."""
    found: list[httpx.Response] = []
    url = f"http://{machine.router.address}{path}"
    thread = threading.Thread(target=lambda: found.append(httpx.request(method, url, timeout=30)))
    thread.start()
    yield found
    thread.join()
