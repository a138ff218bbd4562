"""A control group of its own for one process tree: version 1 where its controllers are mounted, else version 2.

Formats: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

PERIOD_US = 100_000  # the kernel's default, and Kubernetes'
MAX_PROCESSES = 256
# The most there is: what the quota gives must be had, as on a node whose requests equal its limits, or a busy
# neighbour on this machine is measured as the model's latency.
_SHARES_V1, _WEIGHT_V2 = 262_144, 10_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process tree may use."""

    cpu: float  # cores; a part of one is a share of the time
    memory_bytes: int
    max_processes: int = MAX_PROCESSES  # threads count, too


@dataclass(frozen=True, slots=True)
class Usage:
    """What it used so far; 0 where the method can't tell."""

    cpu_s: float = 0.0
    memory_bytes: int = 0  # now, without the page cache that the kernel may take back
    peak_memory_bytes: int = 0
    throttled_periods: int = 0  # periods of 100 ms in which it wanted more CPU than its quota
    oom_kills: int = 0
    refused_processes: int = 0  # forks that the limit of processes refused


class Cgroup(Protocol):
    """A group that was made."""

    method: str

    @property
    def entrances(self) -> list[Path]:
        """The files into which a process writes 0 to be in the group."""

    def set_limits(self, limits: Limits) -> None:
        """Hold it to these from now on. Raises OSError where the kernel refuses."""

    def usage(self) -> Usage:
        """What all its processes used so far, those that have ended, too."""

    def pids(self) -> list[int]:
        """The processes in it, sorted; [] when all have ended."""

    def forbid_forks(self) -> None:
        """Let nothing new begin in it."""

    def remove(self) -> None:
        """Remove the empty group; nothing when it is gone. Raises OSError while a process is in it."""


class CgroupV1:
    """One folder for each controller."""

    method = "cgroup v1"

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders

    @property
    def entrances(self) -> list[Path]:
        return [folder / "cgroup.procs" for folder in dict.fromkeys(self._folders.values())]

    def set_limits(self, limits: Limits) -> None:
        cpu, memory = self._folders["cpu"], self._folders["memory"]
        (cpu / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (cpu / "cpu.cfs_quota_us").write_text(str(round(limits.cpu * PERIOD_US)))
        (cpu / "cpu.shares").write_text(str(_SHARES_V1))
        (memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
        with suppress(OSError):  # kernels without accounting of swap have no such file
            (memory / "memory.memsw.limit_in_bytes").write_text(str(limits.memory_bytes))
        (self._folders["pids"] / "pids.max").write_text(str(limits.max_processes))

    def usage(self) -> Usage:
        memory = self._folders["memory"]
        cache = _table(memory / "memory.stat").get("total_inactive_file", 0)
        return Usage(
            cpu_s=_number(self._folders["cpuacct"] / "cpuacct.usage") / 1e9,
            memory_bytes=max(0, _number(memory / "memory.usage_in_bytes") - cache),
            peak_memory_bytes=max(0, _number(memory / "memory.max_usage_in_bytes") - cache),
            throttled_periods=_table(self._folders["cpu"] / "cpu.stat").get("nr_throttled", 0),
            oom_kills=_table(memory / "memory.oom_control").get("oom_kill", 0),
            refused_processes=_table(self._folders["pids"] / "pids.events").get("max", 0),
        )

    def pids(self) -> list[int]:
        return sorted({pid for entrance in self.entrances for pid in _pids(entrance)})

    def forbid_forks(self) -> None:
        (self._folders["pids"] / "pids.max").write_text("0")

    def remove(self) -> None:
        for folder in dict.fromkeys(self._folders.values()):
            _remove(folder)


class CgroupV2:
    """One folder."""

    method = "cgroup v2"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def entrances(self) -> list[Path]:
        return [self._folder / "cgroup.procs"]

    def set_limits(self, limits: Limits) -> None:
        (self._folder / "cpu.max").write_text(f"{round(limits.cpu * PERIOD_US)} {PERIOD_US}")
        (self._folder / "cpu.weight").write_text(str(_WEIGHT_V2))
        (self._folder / "memory.max").write_text(str(limits.memory_bytes))
        with suppress(OSError):  # as above
            (self._folder / "memory.swap.max").write_text("0")
        (self._folder / "pids.max").write_text(str(limits.max_processes))

    def usage(self) -> Usage:
        cpu, cache = _table(self._folder / "cpu.stat"), _table(self._folder / "memory.stat").get("inactive_file", 0)
        now = max(0, _number(self._folder / "memory.current") - cache)
        return Usage(
            cpu_s=cpu.get("usage_usec", 0) / 1e6,
            memory_bytes=now,
            peak_memory_bytes=max(now, _number(self._folder / "memory.peak") - cache),  # Linux 5.19 and later
            throttled_periods=cpu.get("nr_throttled", 0),
            oom_kills=_table(self._folder / "memory.events").get("oom_kill", 0),
            refused_processes=_table(self._folder / "pids.events").get("max", 0),
        )

    def pids(self) -> list[int]:
        return _pids(self.entrances[0])

    def forbid_forks(self) -> None:
        (self._folder / "pids.max").write_text("0")

    def remove(self) -> None:
        _remove(self._folder)


def make_v1(name: str, root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> CgroupV1:
    """A new group below this process's own, in the controllers mounted below `root`. Raises OSError where there are
    none, or where this process may not."""
    folders: dict[str, Path] = {}
    try:
        for controller in ("cpu", "cpuacct", "memory", "pids"):
            folders[controller] = folder_below(root / controller, own_path(controller, own)) / name
            folders[controller] = folders[controller].parent.resolve() / name  # cpu and cpuacct may be one mount
            folders[controller].mkdir(exist_ok=folders[controller] in list(folders.values())[:-1])
    except OSError:
        for folder in folders.values():
            _remove(folder)
        raise
    return CgroupV1(folders)


def make_v2(name: str, root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> CgroupV2:
    """A new group below this process's own or that one's parent, whichever hands its controllers on: the kernel has a
    group with processes hand on none. Raises OSError where neither does."""
    mine = folder_below(root, own_path("", own))
    problem: OSError = FileNotFoundError(f"{root} has no cpu, memory and pids controllers of cgroup v2")
    for parent in dict.fromkeys((mine, mine.parent if mine != root else mine)):
        try:
            wanted = {"cpu", "memory", "pids"} - set((parent / "cgroup.subtree_control").read_text().split())
            if wanted:
                (parent / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in sorted(wanted)))
            (parent / name).mkdir()
            return CgroupV2(parent / name)
        except OSError as error:
            problem = error
    raise problem


def own_path(controller: str, given: str | None = None) -> str:
    """This process's own group in a controller of version 1, or "" for version 2; `given` where that is known."""
    if given is not None:
        return given
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path
    return "/"


def folder_below(mount: Path, path: str) -> Path:
    """The folder of a group; the mount's own where a container shows only its own part of the tree."""
    folder = mount / path.strip("/")
    return folder if folder.is_dir() else mount


def _number(path: Path) -> int:
    return _read(path, lambda text: int(text), 0)


def _table(path: Path) -> dict[str, int]:
    def parsed(text: str) -> dict[str, int]:
        pairs = (line.split() for line in text.splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}

    return _read(path, parsed, {})


def _pids(path: Path) -> list[int]:
    return _read(path, lambda text: [int(pid) for pid in text.split()], [])


def _read(path: Path, parse: Callable[[str], T], absent: T) -> T:
    try:
        return parse(path.read_text())
    except FileNotFoundError:  # a figure that this kernel has not
        return absent


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        os.rmdir(folder)
