"""`slipway up` as a real process on a data folder of its own, for tests: start, kill, restart, stop, look inside."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

T = TypeVar("T")


class LocalHost:
    """One data folder and the process that serves it, if any. `url` is known after the first start."""

    def __init__(self, data_dir: Path, *, port: int = 0, **environ: str) -> None:
        self.data_dir = data_dir
        self.log_path = data_dir.with_name(f"{data_dir.name}.log")
        self.url = ""
        self._port = port
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    # --- the process ---
    async def start(self) -> None:
        """Returns when it serves. Raises AssertionError, with what it wrote, when it ends before that."""
        self.launch()
        await self.ready()

    def launch(self) -> None:
        """Start the process without waiting for anything."""
        assert self._process is None
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command(self.data_dir, self._port),
                cwd=ROOT,
                env=environment(**self._environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def ready(self) -> None:
        """Returns when the launched process serves; later starts take the port that the first one got."""
        await wait_until(self._is_announced, START_TIMEOUT_S, "slipway up is ready")
        self.url = self._announced()["url"]
        self._port = int(self.url.rpartition(":")[2])

    def _announced(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads((self.data_dir / "endpoint.json").read_text())
        except FileNotFoundError:
            return {}
        return document

    def _is_announced(self) -> bool:
        code = self.process.poll()
        assert code is None, f"slipway up ended with exit code {code}:\n{self.log()}"
        return self._announced().get("pid") == self.process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "it is not running"
        return self._process

    def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        self.process.kill()
        self.process.wait()
        self._process = None

    async def restart(self) -> None:
        """Start again on the same folder and port; kill first what still runs."""
        if self._process is not None:
            self.kill()
        await self.start()

    async def stop(self) -> None:
        """Ctrl-C. Raises AssertionError unless it ends with exit code 0."""
        self.process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(self.process.wait, STOP_TIMEOUT_S)
        self._process = None
        assert code == 0, f"exit code {code} after Ctrl-C:\n{self.log()}"

    # --- looking at it ---
    def log(self) -> str:
        """All it wrote on standard output and error, over all starts."""
        return self.log_path.read_text(errors="replace")

    def rss_bytes(self) -> int:
        """Its resident memory now; from here on the peak is counted anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # man 5 proc: resets VmHWM
        return self._memory_bytes("VmRSS")

    def peak_rss_bytes(self) -> int:
        """The most resident memory it had since `rss_bytes` was last asked."""
        return self._memory_bytes("VmHWM")

    def _memory_bytes(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

    @property
    def secrets(self) -> dict[str, Any]:
        """Its keys."""
        document: dict[str, Any] = json.loads((self.data_dir / "secrets.json").read_text())
        return document

    def client(self, *, key: str | None = None, connections: int = 100) -> aiohttp.ClientSession:
        """A client with the default host key, or another; its paths begin with "/"."""
        headers = {"x-functions-key": self.secrets["host_keys"]["default"] if key is None else key}
        return aiohttp.ClientSession(
            self.url,
            headers={name: value for name, value in headers.items() if value},
            timeout=aiohttp.ClientTimeout(total=60),
            connector=aiohttp.TCPConnector(limit=connections),
        )

    def uploads(self) -> list[str]:
        """The files in the upload folder, with their paths in it."""
        folder = self.data_dir / "uploads"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def check_databases(self) -> None:
        """Every database file is sound, by SQLite's own check; also while the host runs."""
        paths = sorted(self.data_dir.glob("*.db"))
        assert paths
        for path in paths:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
            try:
                assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], path
            finally:
                connection.close()


def command(data_dir: Path, port: int) -> list[str]:
    """What starts `slipway up`."""
    return [sys.executable, "-m", "shared.cli.main", "--data-dir", str(data_dir), "up", "--port", str(port)]


def environment(**environ: str) -> dict[str, str]:
    """This process's environment without its own Slipway settings, and with `environ`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    # no test asks a registry that is elsewhere
    return {**inherited, "PYTHONPATH": str(ROOT), "SLIPWAY_BASE_IMAGE_TIMEOUT_S": "0", **environ}


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@asynccontextmanager
async def running(data_dir: Path, *, port: int = 0, **environ: str) -> AsyncIterator[LocalHost]:
    """A host for as long as the context lasts; its log goes to the test's output when something is raised."""
    host = LocalHost(data_dir, port=port, **environ)
    try:
        await host.start()
        yield host
    except BaseException:
        print(host.log()[-20_000:])
        raise
    finally:
        if host._process is not None:
            host.kill()


def port_for_restarts() -> int:
    """A free port that the system gives to nobody while the host is down, unlike those that port 0 gives."""
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first_ephemeral = int(path.read_text().split()[0]) if path.exists() else 32768
    for port in random.sample(range(10_000, first_ephemeral), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


async def wait_until(
    condition: Callable[[], T | Awaitable[T]], deadline_s: float, what: str, *, poll_s: float = 0.05
) -> T:
    """What the condition gave when it first held. Raises AssertionError when it does not within deadline_s."""
    end = time.monotonic() + deadline_s
    while True:
        given = condition()
        found: T = await given if isinstance(given, Awaitable) else given
        if found:
            return found
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(poll_s)
