"""The packaged scoring server under limits: started, waited for, its log kept, and what is to be said when it fails."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import Permanent
from shared.profiling.cgroups import Limits
from shared.profiling.limits import LimitedProcess, limited
from shared.profiling.server_settings import DEFAULT, ServerSettings

HOST = "127.0.0.1"
LOG_LINES = 50
_MAX_LINE = 2_000
_ANSWER_TIMEOUT_S = 1.0
_PORT = re.compile(r"listening on port (\d+)")
# What the server may see of this process: never Slipway's own settings, keys and tokens.
_PASSED = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """What is started."""

    model: Path | None  # folder or file; None for a script that needs none
    entry_script: Path | None = None
    python: str = sys.executable  # of the model's environment
    environ: Mapping[str, str] = field(default_factory=dict)  # on top of the few variables that are passed on
    start_timeout_s: float = 120.0
    cores: Sequence[int] = ()  # it is pinned to; () for no pinning
    method: str | None = None  # of the limits; None: the best there is
    settings: ServerSettings = DEFAULT


class Server:
    """One that is ready. `port` is where, `start_s` how long it took from nothing to ready."""

    def __init__(self, running: LimitedProcess) -> None:
        self.running = running
        self.port = 0
        self.start_s = 0.0
        self._lines: deque[str] = deque(maxlen=LOG_LINES)

    @property
    def log_tail(self) -> list[str]:
        """The last lines it wrote, oldest first."""
        return list(self._lines)

    def ended_reason(self) -> str:
        """Why it is no longer usable: its limits, or its exit code; "" while it runs within them."""
        used, limits, code = self.running.usage(), self.running.limits, self.running.process.returncode
        if used.oom_kills:
            return f"it wanted more than its {limits.memory_bytes / 2**20:.0f} MiB of memory and was killed"
        if used.refused_processes:
            return f"it tried to run more than {limits.max_processes} processes and threads"
        if code is not None:
            return f"it ended with signal {-code}" if code < 0 else f"it ended with exit code {code}"
        return ""

    def failure(self, what: str) -> ServerFailed:
        """The error for something that it did not do, with the reason where one is known."""
        reason = self.ended_reason()
        return ServerFailed(f"{what}: {reason}" if reason else what, self.log_tail)

    async def read_log(self) -> None:
        """Keep the last lines until it closes its output."""
        stream = self.running.process.stdout
        assert stream is not None
        rest = ""
        while chunk := await stream.read(65_536):  # by pieces: a line may have no end
            *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
            for line in lines:
                if not self.port and (found := _PORT.search(line)):
                    self.port = int(found[1])
                self._lines.append(line[:_MAX_LINE])
            rest = rest[:_MAX_LINE]
        if rest:
            self._lines.append(rest)


class ServerFailed(Permanent):
    """The server did not start, or did not go on; `log_tail` is what it wrote last."""

    code = "ServerFailed"

    def __init__(self, message: str, log_tail: list[str]) -> None:
        super().__init__(message, remedy="read the end of the server's log")
        self.log_tail = log_tail


@asynccontextmanager
async def serving(plan: ServerPlan, limits: Limits) -> AsyncIterator[Server]:
    """A ready server under the limits, for as long as the context lasts. Raises ServerFailed when it is not ready in
    time or ends before, NotSupported where there are no limits to be had."""
    command = [plan.python, "-m", "shared.scoring", "--host", HOST, "--port", "0"]
    command += ["--model", str(plan.model)] if plan.model is not None else []
    command += ["--entry-script", str(plan.entry_script)] if plan.entry_script is not None else []
    environ = server_environ(plan, limits.cpu)
    began_s = time.perf_counter()
    async with limited(command, limits, environ=environ, cores=plan.cores, method=plan.method) as running:
        server = Server(running)
        reading = asyncio.get_running_loop().create_task(server.read_log())
        try:
            await _ready(server, plan.start_timeout_s, reading)
            server.start_s = time.perf_counter() - began_s
            yield server
        finally:
            reading.cancel()
            await asyncio.wait({reading})


def server_environ(plan: ServerPlan, cpu: float) -> dict[str, str]:
    """Its environment variables."""
    kept = {name: os.environ[name] for name in _PASSED if name in os.environ}
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, plan.environ.get("PYTHONPATH", ""))))
    own = plan.settings.environ(cpu)
    return {**kept, **own, "PYTHONDONTWRITEBYTECODE": "1", **plan.environ, "PYTHONPATH": path}


async def _ready(server: Server, timeout_s: float, reading: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not (server.port and await _answers_ready(server.port)):
                if server.running.process.returncode is not None:
                    await asyncio.wait({reading}, timeout=_ANSWER_TIMEOUT_S)  # the rest of its log is in the pipe
                    raise server.failure("the server did not start")
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        raise server.failure(f"the server was not ready after {timeout_s:g} s") from error


async def _answers_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):  # what it started may keep its port open when it has ended
            return await _asked_ready(port)
    except (OSError, TimeoutError):
        return False


async def _asked_ready(port: int) -> bool:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET /v2/health/ready HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    finally:
        writer.close()
