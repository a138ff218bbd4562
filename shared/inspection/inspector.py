"""Looks into the files of a model, in a process of its own that has limits: a parser that crashes, hangs or wants all
memory becomes a file that was not looked into, never a failure of the control plane."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.errors import Invalid, Retryable
from shared.inspection.candidates import SNIFFED_BYTES, Kind, kind_of
from shared.inspection.mlmodel import FILE_NAME, read_mlmodel
from shared.inspection.worker_run import WorkerRun
from shared.paths import is_valid_path
from shared.ports import ArtifactStore
from shared.resources.inspection import ModelInspection, SkippedFile
from shared.resources.model import ModelFile

MAX_MLMODEL_BYTES = 1024 * 1024
MAX_REASON = 1000
MEMORY_BYTES = 4 * 2**30


class Inspector:
    """One model at a time: looking into files must not take the machine from what people wait for."""

    def __init__(self, *, max_file_bytes: int, timeout_s: float) -> None:
        self._max_file_bytes = max_file_bytes
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()

    async def inspect(self, files: Sequence[ModelFile], artifacts: ArtifactStore) -> ModelInspection:
        """What is in the files; an inspection with nothing in it when there is nothing to look into. Raises what the
        store raises: NotFound, ArtifactCorrupted, Retryable."""
        found = ModelInspection()
        await _mlflow(files, artifacts, found)
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
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        with tempfile.TemporaryDirectory(prefix="slipway-inspection-") as folder:
            for file in files:
                if not await _lay_out(Path(folder), file, artifacts if file.path in chosen else None):
                    reason = "its path is both a file and a folder of the model"
                    found.skipped += [SkippedFile(path=file.path, reason=reason)] if chosen.pop(file.path, None) else []
            await self._each(folder, dict(chosen), deadline, found)

    async def _each(self, folder: str, left: dict[str, Kind], deadline: float, found: ModelInspection) -> None:
        """Looks into all; one that ends its worker costs itself only, the others get another worker."""
        while left:
            worker = WorkerRun(folder, memory_bytes=MEMORY_BYTES, cpu_s=int(self._timeout_s) + 1)
            try:
                async with asyncio.timeout_at(deadline):
                    problem = await worker.run(left, found)
            except TimeoutError:
                problem = f"looking into the model's files took longer than {self._timeout_s:g} s"
                found.skipped += [SkippedFile(path=path, reason=problem) for path in left]
                return
            if left:
                culprit = next(iter(left))
                found.skipped.append(SkippedFile(path=culprit, reason=problem))
                del left[culprit]


async def _lay_out(folder: Path, file: ModelFile, artifacts: ArtifactStore | None) -> bool:
    """The file in the folder; without artifacts only a hole of its size, so that what refers to it finds it. Whether
    there is a place for it: a blob container may hold both `a` and `a/b`. Raises Retryable when the disk is full."""
    if not is_valid_path(file.path):
        raise Invalid(f"{file.path!r} is not a path of a model's file")
    target = folder / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as output:
            if artifacts is None:
                output.truncate(file.size_bytes)
                return True
            async for chunk in artifacts.read(file.sha256):
                await asyncio.to_thread(output.write, chunk)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError as error:
        raise Retryable(f"{file.path} cannot be laid out to look into it: {error.strerror}") from error
    return True


async def _mlflow(files: Sequence[ModelFile], artifacts: ArtifactStore, found: ModelInspection) -> None:
    """What the first MLmodel file says; what cannot be read as one is skipped, with the reason."""
    file = next((one for one in files if one.path.rpartition("/")[2] == FILE_NAME), None)
    if file is None:
        return
    if file.size_bytes > MAX_MLMODEL_BYTES:
        reason = f"it has {file.size_bytes} bytes, an {FILE_NAME} of up to {MAX_MLMODEL_BYTES} is read"
        found.skipped.append(SkippedFile(path=file.path, reason=reason))
        return
    content = b"".join([chunk async for chunk in artifacts.read(file.sha256)])
    try:
        found.mlflow = read_mlmodel(content.decode(errors="replace"), file.path)
    except Invalid as error:
        found.skipped.append(SkippedFile(path=file.path, reason=str(error)[:MAX_REASON]))
