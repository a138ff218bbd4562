"""One run of the worker process: a job goes in, what it says of each file comes out; it is ended whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from shared.inspection.candidates import Kind
from shared.resources.inspection import ModelInspection, OnnxInspection, PickleInspection, SkippedFile

MAX_LINE_BYTES = 512 * 1024  # of what is said of one file; the worker keeps well below
MAX_REPORT_BYTES = 768 * 1024  # of what is said of all: it is kept with the version, and a commit takes 2 MB
STOPPING_S = 5.0


class WorkerRun:
    """A worker over the files in `folder`."""

    def __init__(self, folder: str, *, memory_bytes: int, cpu_s: int) -> None:
        self._job = {"folder": folder, "memory_bytes": memory_bytes, "cpu_s": cpu_s}

    async def run(self, left: dict[str, Kind], found: ModelInspection) -> str:
        """Moves what is known from `left` to `found`, file by file; why it ended, for the first one still left."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "shared.inspection.worker"),  # -P: no module from the working directory
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            limit=MAX_LINE_BYTES,
            start_new_session=True,
        )
        try:
            await _send(process, json.dumps({**self._job, "files": left}).encode())
            await _receive(process, left, found)
            return f"the process that looked into it ended with {await process.wait()}"
        except (ValueError, ValidationError) as error:  # a line that is too long, no JSON, or no inspection
            return f"the process that looked into it answered what cannot be read: {type(error).__name__}"
        finally:
            await _stop(process)


async def _send(process: asyncio.subprocess.Process, job: bytes) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended, which its exit code tells
        process.stdin.write(job)
        await process.stdin.drain()
    process.stdin.close()


async def _receive(process: asyncio.subprocess.Process, left: dict[str, Kind], found: ModelInspection) -> None:
    assert process.stdout is not None
    size_bytes = _size_bytes(found)
    async for line in process.stdout:
        said = json.loads(line)
        path = next(iter(left), None)
        if said.pop("path") != path or path is None:
            raise ValueError("it speaks of a file that it was not asked for")
        size_bytes += len(line)
        if size_bytes > MAX_REPORT_BYTES:
            said = {"skipped": f"what is in the model's files is described by more than {MAX_REPORT_BYTES} bytes"}
        _keep(path, said, found)
        del left[path]


def _size_bytes(found: ModelInspection) -> int:
    """Of what other workers said before."""
    return sum(len(one.model_dump_json()) for one in (*found.onnx, *found.pickles))


def _keep(path: str, said: dict[str, Any], found: ModelInspection) -> None:
    if "onnx" in said:
        found.onnx.append(OnnxInspection.model_validate(said["onnx"]))
    elif "pickle" in said:
        found.pickles.append(PickleInspection.model_validate(said["pickle"]))
    elif "skipped" in said:
        found.skipped.append(SkippedFile(path=path, reason=said["skipped"]))


def _environment() -> dict[str, str]:
    """Nothing of this process's settings and secrets; only what Python needs to find the same packages."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OPENBLAS_NUM_THREADS": "1"}


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ends the worker and whatever it started."""
    with suppress(ProcessLookupError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), STOPPING_S)
