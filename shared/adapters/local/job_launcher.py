"""Runs one job's program, keeps its limits, and ends it with everything it started: `main(FOLDER)`.

It is a process of its own, so that limits hold while no control plane runs, and the next one learns how it ended. It
imports the standard library only: each job starts one. FOLDER holds job.json; ended.json is written there at the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.optimization.launcher import SET_CHILD_SUBREAPER, SET_PDEATHSIG, descendants, kill_all, resident_bytes

WATCH_S = 0.05
JOB, CANCELED, ENDED, LOG = "job.json", "canceled", "ended.json", "log"


def main(place: str) -> None:
    """Run it to its end, whatever that is."""
    folder = Path(place)
    job = json.loads((folder / JOB).read_text())
    _prctl(SET_CHILD_SUBREAPER, 1)  # what loses its parent becomes this process's child, and is found
    if job["cpus"]:
        os.sched_setaffinity(0, job["cpus"])  # what it starts inherits it
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    reading, writing = os.pipe2(os.O_CLOEXEC)
    program = os.fork()
    if program == 0:
        _execute(job, writing)
    os.close(writing)
    if failed := os.read(reading, 1000).decode(errors="replace"):  # closed by exec when it succeeds
        os.waitpid(program, 0)
        return write_end(folder, "CannotStart", None, failed)
    how, code = _watch(program, job, folder, told)
    kill_all()
    return write_end(folder, how, code)


def write_end(folder: Path, how: str, exit_code: int | None, message: str = "") -> None:
    """Note how it ended ("": by itself), whole or not at all."""
    new = folder / f".{ENDED}-{os.getpid()}"
    with new.open("w") as file:
        json.dump({"how": how, "exit_code": exit_code, "message": message}, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / ENDED)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _execute(job: dict[str, Any], writing: int) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _prctl(SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.chdir(job["folder"])
        os.execvp(job["command"][0], job["command"])  # noqa: S606 - no shell is meant
    except OSError as error:
        os.write(writing, f"{job['command'][0]}: {error.strerror}".encode())
    os._exit(127)


def _watch(program: int, job: dict[str, Any], folder: Path, told: Sequence[int]) -> tuple[str, int]:
    """Why it was ended ("" when it ended by itself), and its exit code; minus the signal's number."""
    until, kill_at, how = time.monotonic() + job["timeout_s"], float("inf"), ""
    while (code := _reaped(program)) is None:
        now = time.monotonic()
        if not how and (how := _why(folder, told, is_late=now > until)):
            os.kill(program, signal.SIGTERM)
            kill_at = now + job["stop_timeout_s"]
        if job["memory_bytes"] and how != "OOMKilled" and _is_over(job["memory_bytes"]):
            how, kill_at = "OOMKilled", now
        if now >= kill_at:
            os.kill(program, signal.SIGKILL)
        _cut(folder / LOG, job["max_log_bytes"])
        time.sleep(WATCH_S)
    return how, code


def _why(folder: Path, told: Sequence[int], *, is_late: bool) -> str:
    if (folder / CANCELED).exists():
        return "Canceled"
    if is_late:
        return "DeadlineExceeded"
    return "Lost" if told else ""


def _reaped(program: int) -> int | None:
    """The program's exit code once it has ended; whatever else has ended is reaped, too."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == program:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            return None


def _is_over(memory_bytes: int) -> bool:
    """Pages that processes share count for each of them, until that is too much: then they are counted once."""
    running = descendants(os.getpid())
    return sum(map(resident_bytes, running)) > memory_bytes and sum(map(_proportional_bytes, running)) > memory_bytes


def _proportional_bytes(pid: int) -> int:
    """Its pages, each divided by how many processes share it (proc(5), smaps_rollup)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except ProcessLookupError:  # it has ended
        return 0
    except OSError:  # it may not be read, or the kernel has none (before Linux 4.14)
        return resident_bytes(pid)
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _cut(log: Path, max_bytes: int) -> None:
    """Keep the newer half of a log that has grown too long."""
    if log.stat().st_size <= max_bytes:
        return
    with log.open("rb+") as file:
        file.seek(-max_bytes // 2, os.SEEK_END)
        kept = file.read(max_bytes // 2)
        file.seek(0)
        file.write(kept)
        file.truncate()
