"""The statistics on this machine: a module in a process of its own, in a folder with the files that it reads."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.adapters.local.job_following import WORKER_ENVIRON, followed
from shared.adapters.local.job_runner import LocalJobRunner
from shared.errors import Permanent
from shared.ports import JobPhase, JobReason, JobSpec, ReadFile
from shared.resources.data_profile import DataTable
from shared.resources.monitor_request import DataFile

CHUNK_BYTES = 2**20
ENDS_WITHIN_S = 1.0  # statistics have nothing to finish


@contextmanager
def work_folder(parent: Path, name: str) -> Iterator[Path]:
    """A folder that is gone afterwards, as are those that a control plane that was killed left under this name. Its
    statistics may still run: they write there, and nowhere else."""
    tidy(parent, name)
    parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def tidy(parent: Path, name: str) -> None:
    """Remove what was left under this name."""
    for left in parent.glob(f"{name}-*"):
        shutil.rmtree(left, ignore_errors=True)


async def fetched(table: DataTable, read_file: ReadFile, folder: Path) -> list[DataFile]:
    """The files of a data asset, here."""
    found = []
    for number, part in enumerate(table.parts):
        path = folder / f"{part.file.sha256}-{number}"
        if not path.exists():
            await fetch(part.file.sha256, read_file, path)
        found.append(DataFile(path=str(path), format=part.format, delimiter=part.delimiter))
    return found


async def fetch(sha256: str, read_file: ReadFile, path: Path) -> None:
    """One stored file, here."""
    with path.open("wb") as out:
        async for chunk in read_file(sha256):
            await asyncio.to_thread(out.write, chunk)


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    """The content of a file."""
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def names_of(table: DataTable, files: Sequence[DataFile]) -> dict[str, str]:
    """What people call the files, by their paths here."""
    return {file.path: part.file.path for file, part in zip(files, table.parts, strict=True)}


async def calculate(
    jobs: LocalJobRunner, name: str, module: str, arguments: list[Path], timeout_s: float, names: Mapping[str, str]
) -> None:
    """Run the module to its end as the job `name`; one that a control plane that was killed left is ended before.
    Raises Permanent with what it printed when it does not end well, or not in time; files are called by their `names`
    there."""
    command = (sys.executable, "-m", module, *map(str, arguments))
    spec = JobSpec(name, command, environ=WORKER_ENVIRON, timeout_s=timeout_s, stop_timeout_s=ENDS_WITHIN_S)
    ended = await followed(jobs, spec)
    if ended.reason is JobReason.DEADLINE_EXCEEDED:
        raise Permanent(f"the statistics did not end within {timeout_s:.0f} s")
    if ended.phase is not JobPhase.SUCCEEDED:
        printed = ended.log.strip()
        for path, known_as in names.items():
            printed = printed.replace(path, known_as)
        why = printed if ended.exit_code == 1 else f"the statistics failed: {ended.message}: {printed}"
        raise Permanent(why[-2000:] or "the statistics ended without a word")
