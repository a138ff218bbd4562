"""What is kept of a supervised process on disk, so that the next controller knows it again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shared.errors import Permanent

FILE = "process.json"
MARK_VARIABLE = "SLIPWAY_PROCESS_MARK"  # in the environment of a process that is being started


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One process. Times are seconds of Unix time, 0 for never."""

    digest: str  # of what was asked for when it was started
    mark: str  # in its environment: finds it when the controller was killed between starting and noting it
    stop_timeout_s: float
    pid: int = 0  # 0 while none runs
    start_ticks: int = 0  # since boot: with it a pid names one process only (proc(5), field 22)
    boot_id: str = ""  # pids of another boot mean nothing
    began_s: float = 0.0
    ready_s: float = 0.0  # when it was seen ready last
    stopping_s: float = 0.0  # when it was asked to end
    failures: int = 0  # ends in a row that nobody asked for
    restarts: int = 0  # all of them
    exit: str = ""  # how it ended last, for people
    start_at_s: float = 0.0  # not started again before

    def with_process(self, pid: int, start_ticks: int, now_s: float) -> ProcessRecord:
        """The same with a running process."""
        return replace(self, pid=pid, start_ticks=start_ticks, boot_id=boot_id(), began_s=now_s, ready_s=0.0)


def read_record(folder: Path) -> ProcessRecord | None:
    """The record of the process that this folder belongs to; None when there is none. Raises Permanent for one that
    can't be read."""
    path = folder / FILE
    try:
        return ProcessRecord(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        remedy = f"end the process by hand, then remove the folder {folder.name}"
        raise Permanent(f"{folder.name}/{FILE} can't be read: {error}", remedy=remedy) from error


def write_record(folder: Path, record: ProcessRecord) -> None:
    """Replace the record: whoever is killed meanwhile leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{FILE}.new"
    with new.open("w") as file:
        json.dump(asdict(record), file, indent=1)
        file.flush()
        os.fsync(file.fileno())  # else a power failure may leave an empty file under the final name
    new.replace(folder / FILE)


def boot_id() -> str:
    """Which boot of the machine this is (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks_of(pid: int) -> int | None:
    """When the process was started, in clock ticks since boot; None when it does not run (a zombie does not)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold blanks and parentheses
    return None if fields[0] in "ZX" else int(fields[19])


def is_running(record: ProcessRecord) -> bool:
    """Whether that very process runs: its pid may be another's by now."""
    return bool(record.pid) and record.boot_id == boot_id() and start_ticks_of(record.pid) == record.start_ticks


def find_by_mark(mark: str) -> int | None:
    """The oldest process whose environment holds the mark; None when there is none."""
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    found: list[tuple[int, int]] = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            environ = Path(entry.path, "environ").read_bytes()
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue  # another user's, or ended meanwhile
        if wanted in environ.split(b"\0") and (ticks := start_ticks_of(int(entry.name))) is not None:
            found.append((ticks, int(entry.name)))
    return min(found)[1] if found else None
