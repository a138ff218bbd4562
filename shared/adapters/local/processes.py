"""A supervisor of processes on this machine: what is asked for becomes so, and outlives whoever asked.

`ensure` is level-triggered: call it again until what it tells is what is wanted, and from then on now and then. It
knows processes again by pid and start time, so a controller that was killed leaves nothing that is not found.
"""

from __future__ import annotations

import asyncio
import fcntl
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from shared.adapters.local.process_decision import ProcessStep, back_off_s, decide, failures_after_end
from shared.adapters.local.process_record import (
    MARK_VARIABLE,
    ProcessRecord,
    boot_id,
    find_by_mark,
    is_running,
    read_record,
    start_ticks_of,
    write_record,
)
from shared.adapters.local.process_spawn import (
    LOG,
    bound_log,
    exit_text,
    is_ready,
    kill_group,
    listening_socket,
    log_tail,
    spawn,
    terminate,
)
from shared.adapters.local.process_types import MAX_LOG_BYTES, DesiredProcess, ObservedProcess, ProcessPhase
from shared.errors import Invalid, NotSupported

TAIL_LINES = 50
_SEEN_READY_S = 5.0  # how old the note of the newest readiness may be: not every look is written down
_LOCK_POLL_S = 0.02
_ENDING_S = 1.0
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")


class Supervisor:
    """Everything under one folder: each process has its own in it, with its record and its logs."""

    def __init__(self, folder: Path) -> None:
        """Raises NotSupported where pids have no start time."""
        if sys.platform != "linux":
            raise NotSupported("processes are supervised on Linux only", remedy="use a container or WSL 2")
        self._folder = folder
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._listeners: dict[str, socket.socket] = {}  # by the process's name

    async def ensure(self, desired: Sequence[DesiredProcess]) -> dict[str, ObservedProcess]:
        """One step for each process towards what is desired; what is so afterwards, by name. Processes that are not
        desired are stopped, and are told of until they are gone. Raises Invalid for names that can't be, and
        Permanent for a record that can't be read."""
        wanted = _by_name(desired)
        async with self._locked():
            names = sorted({*wanted, *(path.name for path in self._folder.iterdir() if path.is_dir())})
            found = await asyncio.gather(*(self._step(name, wanted.get(name)) for name in names))
        return {name: one for name, one in zip(names, found, strict=True) if one is not None}

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """One controller at a time; the lock ends with its process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_POLL_S)
            yield

    async def _step(self, name: str, wanted: DesiredProcess | None) -> ObservedProcess | None:
        folder = self._folder / name
        record = self._recovered(folder, read_record(folder))
        digest = wanted.digest if wanted else None
        timeout_s = wanted.start_timeout_s if wanted else 0.0
        self._reap()
        now_s = time.time()
        runs = record is not None and is_running(record)
        step = decide(record, runs=runs, wanted=digest, start_timeout_s=timeout_s, now_s=now_s)
        if step is ProcessStep.FORGET:
            self._forget(folder, record)
            return None
        ready = step is ProcessStep.WATCH and wanted is not None and await is_ready(wanted.ready_url)
        if step in (ProcessStep.START, ProcessStep.START_AGAIN) and wanted is not None:
            again = record if step is ProcessStep.START_AGAIN else None
            _end_the_rest(record)
            record = self._start(folder, wanted, again, now_s)
        elif record is not None:
            record = self._act(step, folder, record, now_s)
            if ready and wanted is not None:
                record = _seen_ready(folder, record, min(_SEEN_READY_S, wanted.start_timeout_s / 4))
        assert record is not None
        bound_log(folder, wanted.max_log_bytes if wanted else MAX_LOG_BYTES)
        return _observed(folder, record, ready=ready)

    def _recovered(self, folder: Path, record: ProcessRecord | None) -> ProcessRecord | None:
        """A record without a process, whose start was begun: the controller may have been killed in between."""
        if record is None or record.pid or not record.mark:
            return record
        pid = find_by_mark(record.mark)
        ticks = start_ticks_of(pid) if pid else None
        if pid and ticks is not None:
            record = record.with_process(pid, ticks, time.time())
            write_record(folder, record)
        return record

    def _start(self, folder: Path, wanted: DesiredProcess, before: ProcessRecord | None, now_s: float) -> ProcessRecord:
        mark = secrets.token_hex(16)
        record = before or ProcessRecord(wanted.digest, mark, wanted.stop_timeout_s)
        record = replace(record, mark=mark, stopping_s=0.0, restarts=record.restarts + (before is not None))
        write_record(folder, record)  # first: a process that nobody noted would be nobody's
        environ = {**wanted.environ, MARK_VARIABLE: mark}
        try:
            listener = self._listener(wanted)
            process = spawn(wanted.arguments, environ, wanted.folder, folder / LOG, wanted.limits, listener)
        except OSError as error:
            record = _ended(record, f"can't be started: {error}", now_s)
        else:
            self._children[process.pid] = process
            ticks = start_ticks_of(process.pid)
            record = record.with_process(process.pid, ticks or 0, now_s)
        write_record(folder, record)
        return record

    def _listener(self, wanted: DesiredProcess) -> socket.socket | None:
        """The process's listening socket. It is kept while this controller lives: callers of a process that was killed
        wait for the next one instead of being refused."""
        if wanted.listen_port and wanted.name not in self._listeners:
            made = listening_socket(wanted.listen_port)
            if made is None:
                return None
            self._listeners[wanted.name] = made
        return self._listeners.get(wanted.name)

    def close(self) -> None:
        """Give back the sockets; what runs goes on."""
        while self._listeners:
            self._listeners.popitem()[1].close()

    def _act(self, step: ProcessStep, folder: Path, record: ProcessRecord, now_s: float) -> ProcessRecord:
        before = record
        if step is ProcessStep.NOTE_END:
            asked = "it was asked to end, for it was not ready in time; " if record.stopping_s else ""
            _end_the_rest(record)
            record = _ended(record, asked + exit_text(self._code_of(record.pid)), now_s)
        elif step is ProcessStep.TERMINATE:
            terminate(record.pid)
            record = replace(record, stopping_s=now_s)
        elif step is ProcessStep.KILL:
            kill_group(record.pid)
        if record != before:
            write_record(folder, record)
        return record

    def _forget(self, folder: Path, record: ProcessRecord | None) -> None:
        _end_the_rest(record)
        if (listener := self._listeners.pop(folder.name, None)) is not None:
            listener.close()
        if record is not None:
            self._children.pop(record.pid, None)
        shutil.rmtree(folder, ignore_errors=True)

    def _reap(self) -> None:
        for process in self._children.values():
            process.poll()

    def _code_of(self, pid: int) -> int | None:
        process = self._children.pop(pid, None)
        if process is None:
            return None
        try:  # its first thread has ended, and the kernel may still be ending the others
            return process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return None


def _by_name(desired: Sequence[DesiredProcess]) -> dict[str, DesiredProcess]:
    wanted = {one.name: one for one in desired}
    if len(wanted) < len(desired):
        raise Invalid("two processes have the same name", remedy="give each a name of its own")
    if wrong := [name for name in wanted if not _NAME.fullmatch(name)]:
        raise Invalid(
            f"{wrong[0]!r} can't be the name of a process", remedy="use 1 to 100 letters, digits, '-', '.' or '_'"
        )
    return wanted


def _end_the_rest(record: ProcessRecord | None) -> None:
    """End what a process that is no more has left running. While any of its group runs, its pid is nobody else's."""
    if record is not None and record.pid and record.boot_id == boot_id() and start_ticks_of(record.pid) is None:
        kill_group(record.pid)


def _seen_ready(folder: Path, record: ProcessRecord, renew_s: float) -> ProcessRecord:
    now_s = time.time()
    if now_s - record.ready_s > renew_s:
        record = replace(record, ready_s=now_s)
        write_record(folder, record)
    return record


def _ended(record: ProcessRecord, how: str, now_s: float) -> ProcessRecord:
    failures = failures_after_end(record)
    return replace(
        record,
        pid=0,
        mark="",
        stopping_s=0.0,
        failures=failures,
        exit=how,
        start_at_s=now_s + back_off_s(failures),
    )


def _observed(folder: Path, record: ProcessRecord, *, ready: bool) -> ObservedProcess:
    if not record.pid:
        phase = ProcessPhase.BACKING_OFF
    elif record.stopping_s:
        phase = ProcessPhase.STOPPING
    else:
        phase = ProcessPhase.READY if ready else ProcessPhase.STARTING
    tail = log_tail(folder, TAIL_LINES) if record.failures else ""
    return ObservedProcess(phase, record.pid, record.began_s, record.failures, record.restarts, record.exit, tail)
