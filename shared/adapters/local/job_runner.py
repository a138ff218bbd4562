"""Jobs as processes of this machine, each with a launcher that keeps its limits."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from shared.adapters.local.job_files import launcher_arguments, prepare, progress, read_end
from shared.adapters.local.job_launcher import CANCELED, LOG, write_end
from shared.adapters.local.process_record import (
    FILE,
    MARK_VARIABLE,
    ProcessRecord,
    find_by_mark,
    is_running,
    read_record,
    start_ticks_of,
    write_record,
)
from shared.adapters.local.process_spawn import kill_group, spawn
from shared.adapters.local.process_types import ResourceLimits
from shared.errors import AlreadyExists, NotFound, NotSupported
from shared.ports import JobProgress, JobSpec
from shared.ports.jobs import is_job_name

_POLL_S = 0.02
_LAUNCHER_ENDS_S = 10.0  # beyond the job's own stop_timeout_s


class LocalJobRunner:
    """A JobRunner. Each job has a folder in `folder`; `secrets_folder` holds a folder of files for each secret, as a
    cluster mounts them. Jobs outlive the control plane: the next one finds them, by their names."""

    def __init__(self, folder: Path, secrets_folder: Path | None = None) -> None:
        self._folder = folder.resolve()
        self._secrets_folder = secrets_folder
        self._launchers: dict[int, subprocess.Popen[bytes]] = {}

    async def start(self, spec: JobSpec) -> None:
        """See JobRunner. NotSupported also where processes can't be known again."""
        if sys.platform != "linux":
            raise NotSupported("jobs run as processes on Linux only", remedy="use WSL 2 or a cluster")
        if spec.image:
            remedy = "name a cluster for it, or leave out the image and give a command of this machine"
            raise NotSupported(f"the job {spec.name} is an image: here run processes", remedy=remedy)
        if spec.identity:
            remedy = "name a cluster for it, or leave out the identity"
            raise NotSupported(
                f"the job {spec.name} acts as {spec.identity}: processes here have no such", remedy=remedy
            )
        if spec.steps:
            raise NotSupported(f"the job {spec.name} has steps: here runs one program", remedy="name a cluster for it")
        async with self._alone(spec.name):
            folder = self._folder / spec.name
            record = read_record(folder)
            if record is not None:
                if record.digest != spec.digest:
                    remedy = "give it another name, or remove the former one"
                    raise AlreadyExists(f"there is another job {spec.name}", remedy=remedy)
                if _found_again(folder, record).pid or read_end(folder) is not None:
                    return
            shutil.rmtree(folder, ignore_errors=True)  # what a start that was cut off has left
            self._begin(folder, spec)

    async def look(self, name: str) -> JobProgress:
        """See JobRunner."""
        self._reap()
        folder, record = self._known(name)
        if record is None:
            raise NotFound(f"there is no job {name[:100]!r}", remedy="start it")
        runs = is_running(record)
        ended = read_end(folder)  # after that: a launcher that has ended meanwhile has noted it
        if record.pid and not runs and ended is None:
            _settle(folder, record)
            ended = read_end(folder)
        return progress(folder, ended, runs=runs)

    async def cancel(self, name: str) -> None:
        """See JobRunner."""
        if self._known(name)[1] is None:
            return
        async with self._alone(name):
            folder, record = self._known(name)
            if record is None or read_end(folder) is not None:
                return
            (folder / CANCELED).touch()
            if not is_running(_found_again(folder, record)):
                _settle(folder, record)

    async def remove(self, name: str) -> None:
        """See JobRunner."""
        if not is_job_name(name) or not (self._folder / name).exists():
            return
        async with self._alone(name):
            folder, record = self._known(name)
            if record is not None:
                await self._end(folder, _found_again(folder, record))
            (folder / FILE).unlink(missing_ok=True)  # first: without a record it is no job any more
            shutil.rmtree(folder, ignore_errors=True)
            (self._folder / ".locks" / name).unlink()

    async def _end(self, folder: Path, record: ProcessRecord) -> None:
        (folder / CANCELED).touch()
        until = time.monotonic() + record.stop_timeout_s + _LAUNCHER_ENDS_S
        while is_running(record) and time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
            self._reap()
        if is_running(record):
            kill_group(record.pid)
        _kill_marked(record.mark)

    def _begin(self, folder: Path, spec: JobSpec) -> None:
        environ = prepare(folder, spec)
        mark = secrets.token_hex(16)
        record = ProcessRecord(spec.digest, mark, spec.stop_timeout_s)
        write_record(folder, record)  # first: a process that nobody noted would be nobody's
        try:
            environ |= {name: self._secret(one.name, one.key) for name, one in spec.secrets.items()}
            environ[MARK_VARIABLE] = mark
            launcher = spawn(launcher_arguments(folder), environ, folder, folder / LOG, ResourceLimits())
        except (OSError, ValueError) as error:  # ValueError: a secret with a NUL
            write_end(folder, "CannotStart", None, str(error))
            return
        self._launchers[launcher.pid] = launcher
        write_record(folder, record.with_process(launcher.pid, start_ticks_of(launcher.pid) or 0, time.time()))

    def _secret(self, name: str, key: str) -> str:
        """Raises OSError with words for people."""
        try:
            if self._secrets_folder is None:
                raise FileNotFoundError
            return (self._secrets_folder / name / key).read_text()
        except (OSError, ValueError) as error:
            raise OSError(f"the secret {name}/{key} can't be read: put it into the folder of secrets") from error

    def _known(self, name: str) -> tuple[Path, ProcessRecord | None]:
        folder = self._folder / name
        return folder, read_record(folder) if is_job_name(name) else None

    def _reap(self) -> None:
        for pid in [pid for pid, launcher in self._launchers.items() if launcher.poll() is not None]:
            del self._launchers[pid]

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """One control plane at a time for each job; the lock ends with its process."""
        path = self._folder / ".locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with path.open("w") as held:
                if _locked(held.fileno(), path):
                    yield
                    return
            await asyncio.sleep(_POLL_S)


def _locked(descriptor: int, path: Path) -> bool:
    """Whether it is locked now, and is still the file of that name: who removes a job removes its lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _found_again(folder: Path, record: ProcessRecord) -> ProcessRecord:
    """With its process, when the control plane was killed between starting and noting it."""
    if record.pid or (pid := find_by_mark(record.mark)) is None or (ticks := start_ticks_of(pid)) is None:
        return record
    found = record.with_process(pid, ticks, time.time())
    write_record(folder, found)
    return found


def _settle(folder: Path, record: ProcessRecord) -> None:
    """Its launcher is no more and noted no end: end what is left of it."""
    if read_end(folder) is None:
        _kill_marked(record.mark)
        write_end(folder, "Canceled" if (folder / CANCELED).exists() else "Lost", None)


def _kill_marked(mark: str) -> None:
    while (pid := find_by_mark(mark)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
