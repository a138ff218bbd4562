"""Looks into the files of a model, in a process of its own that has limits: a parser that crashes, hangs or wants all
memory becomes a file that was not looked into, never a failure of the control plane."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shared.errors import Invalid, Permanent
from shared.inspection.candidates import SNIFFED_BYTES, Kind, kind_of
from shared.inspection.mlmodel import FILE_NAME, read_mlmodel
from shared.paths import is_valid_path
from shared.ports import ArtifactStore
from shared.resources.inspection import MlflowInspection, ModelInspection, SkippedFile
from shared.resources.model import ModelFile

MAX_MLMODEL_BYTES = 1024 * 1024
MAX_REPORT_BYTES = 1536 * 1024  # what a worker may answer: it is kept with the version, and a commit takes 2 MB
MEMORY_BYTES = 4 * 2**30
STOPPING_S = 5.0


class Inspector:
    """One model at a time: looking into files must not take the machine from what people wait for."""

    def __init__(self, *, max_file_bytes: int, timeout_s: float) -> None:
        self._max_file_bytes = max_file_bytes
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()

    async def inspect(self, files: Sequence[ModelFile], artifacts: ArtifactStore) -> ModelInspection:
        """What is in the files; an inspection with nothing in it when there is nothing to look into. Raises what the
        store raises: NotFound, ArtifactCorrupted, Retryable."""
        found = ModelInspection(mlflow=await _mlflow(files, artifacts))
        chosen = await self._chosen(files, artifacts, found)
        if chosen:
            async with self._turn:
                await self._in_worker(files, chosen, artifacts, found)
        return found

    async def _chosen(
        self, files: Sequence[ModelFile], artifacts: ArtifactStore, found: ModelInspection
    ) -> dict[str, Kind]:
        chosen: dict[str, Kind] = {}
        for file in files:
            first = b"".join([c async for c in artifacts.read(file.sha256, length=min(SNIFFED_BYTES, file.size_bytes))])
            kind = kind_of(file.path, first)
            if kind is None:
                continue
            if file.size_bytes > self._max_file_bytes:
                reason = f"it has {file.size_bytes} bytes, files up to {self._max_file_bytes} are looked into"
                found.skipped.append(SkippedFile(path=file.path, reason=reason))
            else:
                chosen[file.path] = kind
        return chosen

    async def _in_worker(
        self, files: Sequence[ModelFile], chosen: dict[str, Kind], artifacts: ArtifactStore, found: ModelInspection
    ) -> None:
        with tempfile.TemporaryDirectory(prefix="slipway-inspection-") as folder:
            for file in files:
                await _lay_out(Path(folder), file, artifacts if file.path in chosen else None)
            report, problem = await self._report({"folder": folder, "files": chosen})
        if report is None:
            found.skipped += [SkippedFile(path=path, reason=problem) for path in chosen]
            return
        said = ModelInspection.model_validate(report)
        found.onnx, found.pickles = said.onnx, said.pickles
        found.skipped += said.skipped

    async def _report(self, job: dict[str, Any]) -> tuple[Any, str]:
        """What the worker answered, or None and why it did not."""
        limits = {"memory_bytes": MEMORY_BYTES, "cpu_s": int(self._timeout_s) + 1}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.inspection.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
        try:
            text = json.dumps(job | limits).encode()
            answer, _ = await asyncio.wait_for(process.communicate(text), self._timeout_s)
        except TimeoutError:
            return None, f"looking into it took longer than {self._timeout_s:g} s"
        finally:
            await _stop(process)
        if process.returncode != 0:
            return None, f"the process that looked into it ended with {process.returncode}"
        if len(answer) > MAX_REPORT_BYTES:
            return None, f"what is in it is described by more than {MAX_REPORT_BYTES} bytes"
        try:
            return json.loads(answer), ""
        except ValueError as error:
            raise Permanent(f"the worker of the inspection answered no JSON: {error}") from error


def _environment() -> dict[str, str]:
    """Nothing of this process's settings and secrets; only what Python needs to find the same packages."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OPENBLAS_NUM_THREADS": "1"}


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ends the worker and whatever it started."""
    with suppress(ProcessLookupError):  # it has ended
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), STOPPING_S)


async def _lay_out(folder: Path, file: ModelFile, artifacts: ArtifactStore | None) -> None:
    """The file in the folder; without artifacts only a hole of its size, so that what refers to it finds it."""
    if not is_valid_path(file.path):
        raise Invalid(f"{file.path!r} is not a path of a model's file")
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as output:
        if artifacts is None:
            output.truncate(file.size_bytes)
            return
        async for chunk in artifacts.read(file.sha256):
            await asyncio.to_thread(output.write, chunk)


async def _mlflow(files: Sequence[ModelFile], artifacts: ArtifactStore) -> MlflowInspection | None:
    """What the first MLmodel file says; None without one, and for one that is none (registering says so)."""
    file = next((one for one in files if one.path.rpartition("/")[2] == FILE_NAME), None)
    if file is None or file.size_bytes > MAX_MLMODEL_BYTES:
        return None
    content = b"".join([chunk async for chunk in artifacts.read(file.sha256)])
    try:
        return read_mlmodel(content.decode(errors="replace"), file.path)
    except Invalid:
        return None
