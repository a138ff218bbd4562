"""`python -m shared.scoring` as a real process, for tests: start, ask, stop, read its log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.scenarios.local_host import ROOT, _die_with_parent

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
MODEL = ROOT / "examples" / "diabetes"
ROW = [0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, -0.002, 0.02, -0.02]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Returns when it is so. Raises AssertionError, naming what did not come, after half a minute."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class ScoringServer:
    """One process on a free port. `client` is kept open until it stops."""

    def __init__(self, folder: Path, *arguments: str, python: str = sys.executable, **environ: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log_path = folder / "scoring.log"
        self.arguments = arguments
        left_out = ("SLIPWAY_", "AZUREML_", "AML_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "shared.scoring", "--host", "127.0.0.1", "--port", "0", *arguments],
                cwd=ROOT,
                env={**inherited, "PYTHONPATH": str(ROOT), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.port = 0
        self.client = httpx.Client()

    def listening(self) -> None:
        """Returns when it listens; it need not be ready. Raises AssertionError, with its log, when it has ended."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := re.search(r"listening on port (\d+)", self.log())) is None:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"it does not listen:\n{self.log()}"
            time.sleep(0.01)
        self.port = int(found[1])
        self.client.close()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def ready(self) -> ScoringServer:
        """Itself, when it is ready."""
        self.listening()
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.client.get("/v2/health/ready").status_code != 200:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"it is not ready:\n{self.log()}"
            time.sleep(0.01)
        return self

    def log(self) -> str:
        """All it wrote."""
        return self.log_path.read_text(errors="replace")

    def grpc_port(self) -> int:
        """The port of gRPC, when it has one."""
        found = re.search(r"listening for gRPC on port (\d+)", self.log())
        assert found is not None, self.log()
        return int(found[1])

    def records(self) -> list[dict[str, Any]]:
        """The lines of its log that are JSON."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def metric(self, line: str) -> float:
        """The value of a sample of /metrics, by its name with labels; 0 when it is not there."""
        for each in self.client.get("/metrics").text.splitlines():
            name, _, value = each.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def exchange(self, sent: bytes, *, end: bool = True) -> bytes:
        """Everything that comes back for these bytes until the server closes; with `end` they are all there is."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            if end:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while chunk := connection.recv(65536):
                    received += chunk
            return received

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        self.client.close()  # it waits for idle connections, which may bring a request yet
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def close(self) -> None:
        """End it at once if it still runs."""
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, python: str = sys.executable, **environ: str) -> Iterator[ScoringServer]:
    """A ready server for as long as the context lasts."""
    server = ScoringServer(folder, *arguments, python=python, **environ)
    try:
        yield server.ready()
    except BaseException:
        print(server.log()[-20_000:])
        raise
    finally:
        server.close()


@contextlib.contextmanager
def serving_script(folder: Path, source: str, **environ: str) -> Iterator[ScoringServer]:
    """A ready server of an entry script with this source."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "score.py").write_text(source)
    with serving(folder, AML_APP_ROOT=str(folder), AZUREML_ENTRY_SCRIPT="score.py", **environ) as server:
        yield server
