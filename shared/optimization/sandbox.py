"""Runs a worker by the Python of an environment, as a separate, limited process that leaves nothing behind.

What protects: no network and no sockets, own processes, every file system but the scratch folder read-only, limits of
memory, processor time, file size and processes, no capabilities, and none of this process's environment variables.
Which of them the system allows is reported for each run: in a pod no namespaces, so that sockets and writing elsewhere
are refused by filters (confinement.py). The files of this machine can still be read, though not sent anywhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import Permanent

Say = Callable[[str], None]

LAUNCHER = Path(__file__).with_name("launcher.py")
_BOOT = "import sys; sys.path.append(sys.argv[1]); from workers.entry import main; main(*sys.argv[2:])"
_PROGRESS = "progress: "  # begins the lines that a worker prints for people
RESULT = "result.json"
MAX_RESULT_BYTES = 2**20
MAX_OUTPUT_BYTES = 64 * 2**10  # of what a worker prints, the end is kept
MAX_LINE_BYTES = 2**16
MAX_PROGRESS_LINES = 500
STARTING_S = 10.0  # that the launcher has beyond the worker's own time
STOPPING_S = 6.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a worker may take."""

    timeout_s: float = 600.0
    memory_bytes: int = 4 * 2**30  # of address space for each process, and of resident memory for all together
    cpu_s: int = 1200  # of each process
    file_bytes: int = 2 * 2**30  # of each file it writes
    processes: int = 128  # and threads
    threads: int = 1  # that numeric libraries (OpenMP, OpenBLAS, MKL) compute with


@dataclass(frozen=True, slots=True)
class Finished:
    """What a worker came to."""

    result: dict[str, Any]  # as it wrote it: to be validated
    protections: tuple[str, ...]  # that were in force


@dataclass(slots=True)
class _Heard:
    """What the launcher reported and the program printed."""

    report: dict[str, Any] = field(default_factory=dict)
    output: bytes = b""
    progress_lines: int = 0

    def why(self) -> str:
        """Why there is no result."""
        if stopped := self.report.get("stopped"):
            return str(stopped)
        last = self.output.decode(errors="replace").strip().splitlines()[-3:]
        printed = f": {' | '.join(last)[:500]}" if last else ""
        number = self.report.get("signal")
        if number in (signal.SIGKILL, signal.SIGXCPU):
            return f"it was ended by {signal.Signals(number).name}: its limit of processor time or memory{printed}"
        if number is not None:
            return f"it crashed with signal {number}{printed}"
        return f"it ended with exit code {self.report.get('code', 'unknown')} and without a result{printed}"


async def run_worker(
    environment: Path,
    worker: str,
    request: Mapping[str, Any],
    scratch: Path,
    limits: Limits,
    say: Say = lambda line: None,
) -> Finished:
    """Run `workers.WORKER` by `environment`/bin/python with this request; `scratch` is its working directory, and the
    only place it can write to. No process of it is left when this returns, raises or is cancelled. Raises Permanent
    with the reason for a worker that fails, takes more than its limits, or answers what cannot be read."""
    (scratch / "home").mkdir(mode=0o700, parents=True, exist_ok=True)
    (scratch / RESULT).unlink(missing_ok=True)
    python = environment / "bin" / "python"
    # The request goes by the command line: what a worker left in the folder is never opened for writing.
    process = await asyncio.create_subprocess_exec(
        *(str(python), "-I", str(LAUNCHER)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(scratch, limits),
        start_new_session=True,
        limit=MAX_LINE_BYTES,
    )
    heard = _Heard()
    try:
        async with asyncio.timeout(limits.timeout_s + STARTING_S):
            await _send(process, json.dumps(_job(python, (worker, json.dumps(request)), scratch, limits)).encode())
            await asyncio.gather(_hear_output(process, heard, say), _hear_report(process, heard), process.wait())
    except TimeoutError:
        heard.report["stopped"] = f"it took longer than {limits.timeout_s:g} s"
    finally:
        await _stop(process)
    return Finished(_result(scratch / RESULT, worker, heard), tuple(heard.report.get("protections", ())))


def _job(python: Path, arguments: tuple[str, str], scratch: Path, limits: Limits) -> dict[str, Any]:
    return {
        "command": [str(python), "-I", "-c", _BOOT, str(LAUNCHER.parent), *arguments],
        "environment": _environment(scratch, limits),
        "scratch": str(scratch),
        "timeout_s": limits.timeout_s,
        "memory_bytes": limits.memory_bytes,
        "cpu_s": limits.cpu_s,
        "file_bytes": limits.file_bytes,
        "processes": limits.processes,
    }


def _environment(scratch: Path, limits: Limits) -> dict[str, str]:
    """Nothing of this process's settings and secrets."""
    home = str(scratch / "home")
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "HOME": home, "TMPDIR": home, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"} | {
        **{f"{library}_NUM_THREADS": str(limits.threads) for library in ("OMP", "OPENBLAS", "MKL")},
        # Allocators that reserve address space for each thread count against RLIMIT_AS.
        "MALLOC_ARENA_MAX": "2",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


async def _send(process: asyncio.subprocess.Process, job: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended, which the report tells
        process.stdin.write(job)
        await process.stdin.drain()
    process.stdin.close()


async def _hear_output(process: asyncio.subprocess.Process, heard: _Heard, say: Say) -> None:
    """Say the lines of progress; of everything else keep the end."""
    assert process.stdout is not None
    rest = b""
    while chunk := await process.stdout.read(MAX_LINE_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-MAX_LINE_BYTES:]
        for line in lines:
            if line.startswith(_PROGRESS.encode()) and heard.progress_lines < MAX_PROGRESS_LINES:
                heard.progress_lines += 1
                say(line.decode(errors="replace").removeprefix(_PROGRESS)[:500])
            else:
                heard.output = (heard.output + line + b"\n")[-MAX_OUTPUT_BYTES:]
    heard.output = (heard.output + rest)[-MAX_OUTPUT_BYTES:]


async def _hear_report(process: asyncio.subprocess.Process, heard: _Heard) -> None:
    assert process.stderr is not None
    text = await process.stderr.read(MAX_LINE_BYTES)
    while chunk := await process.stderr.read(MAX_LINE_BYTES):
        text = (text + chunk)[:MAX_LINE_BYTES]
    for line in text.splitlines():
        try:
            heard.report.update(json.loads(line))
        except ValueError:  # a traceback of the launcher's own
            heard.output = (heard.output + line + b"\n")[-MAX_OUTPUT_BYTES:]


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Have the launcher end what it started; it takes the namespace with it when it must be killed itself."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOPPING_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _result(path: Path, worker: str, heard: _Heard) -> dict[str, Any]:
    """What the worker wrote. It is read as a plain file: a link could name any file of this machine."""
    if "stopped" in heard.report or path.is_symlink() or not path.is_file():
        raise Permanent(f"{worker}: {heard.why()}")
    if (size_bytes := path.stat().st_size) > MAX_RESULT_BYTES:
        raise Permanent(f"{worker}: it answered with {size_bytes} bytes, more than {MAX_RESULT_BYTES}")
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise Permanent(f"{worker}: it answered what is no JSON: {error}") from error
    if not isinstance(found, dict) or "error" in found:
        raise Permanent(f"{worker}: {str(found.get('error') if isinstance(found, dict) else found)[:2000]}")
    return found
