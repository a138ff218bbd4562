"""Every process of a tree without a control group: found by a mark in their environment, which children inherit."""

from __future__ import annotations

import os
from pathlib import Path

from shared.profiling.cgroups import Limits, Usage

MARK = "SLIPWAY_PROFILED"
_PROC = Path("/proc")
_ADDRESS_ROOM_BYTES = 2 * 2**30  # addresses that are reserved and never used: threads' arenas and stacks, mapped files


def rlimit_command(limits: Limits) -> list[str]:
    """The beginning of a command that puts RLIMIT_AS and RLIMIT_NPROC on it. The latter counts all processes of the
    user, so those that are there now come on top; root is exempt from it (setrlimit(2))."""
    room = limits.memory_bytes + _ADDRESS_ROOM_BYTES
    return ["prlimit", f"--as={room}", f"--nproc={_threads_of_user() + limits.max_processes}", "--"]


def marked(mark: str) -> list[int]:
    """The processes that carry the mark; [] where there is no /proc."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in _PROC.glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended meanwhile, or another user's
            continue
    return found


def usage_of(pids: list[int]) -> Usage:
    """CPU, resident memory and the sum of the peaks of these processes (proc(5)); those that ended are not counted."""
    cpu_s = memory = peak = 0.0
    for pid in pids:
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            status = status_bytes(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        cpu_s += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        memory += status.get("VmRSS", 0)
        peak += status.get("VmHWM", 0)
    return Usage(cpu_s=cpu_s, memory_bytes=int(memory), peak_memory_bytes=int(peak))


def status_bytes(pid: int) -> dict[str, int]:
    """The sizes in /proc/PID/status, in bytes. Raises FileNotFoundError or ProcessLookupError when it has ended."""
    pairs = (line.split() for line in (_PROC / str(pid) / "status").read_text().splitlines())
    return {pair[0].rstrip(":"): int(pair[1]) * 1024 for pair in pairs if len(pair) == 3 and pair[2] == "kB"}


def _threads_of_user() -> int:
    count = 0
    for folder in _PROC.glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.getuid():
                count += sum(1 for _ in (folder / "task").iterdir())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return count
