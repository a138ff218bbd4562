"""Control groups, and processes in them, of profiles whose own process was killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from shared.profiling.cgroups import folder_below, own_path

_ROOT = Path("/sys/fs/cgroup")
_TRIES = 200  # 5 ms apart: the kernel counts a process that has ended for a moment longer


def group_prefix() -> str:
    """What the names of this machine's groups begin with, before the number of the process: where several containers
    see one tree of groups, those of another namespace of processes are none of ours."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:  # no Linux, and so no groups either
        namespace = 0
    return f"slipway-profile-{namespace}-"


async def sweep(root: Path = _ROOT) -> list[str]:
    """End what killed profiles left behind below this process's own groups; the names of the groups that are gone now,
    [] for none."""
    gone = set()
    for group in _abandoned(root):
        for _ in range(_TRIES):
            for pid in _pids(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                group.rmdir()
                gone.add(group.name)
                break
            await asyncio.sleep(0.005)
    return sorted(gone)


def _abandoned(root: Path) -> Iterator[Path]:
    own = re.compile(re.escape(group_prefix()) + r"(\d+)-\d+")
    for parent in _parents(root):
        for group in sorted(parent.glob(f"{group_prefix()}*")):
            found = own.fullmatch(group.name)
            if found is not None and not Path("/proc", found[1]).exists():
                yield group


def _parents(root: Path) -> set[Path]:
    """The folders in which groups are made."""
    found = set()
    try:
        for controller in ("cpu", "cpuacct", "memory", "pids"):
            found.add(folder_below(root / controller, own_path(controller)).resolve())
        version_2 = folder_below(root, own_path(""))
    except OSError:  # no /proc/self/cgroup
        return set()
    return {folder for folder in found | {version_2, version_2.parent} if folder.is_dir() and root in folder.parents}


def _pids(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []
