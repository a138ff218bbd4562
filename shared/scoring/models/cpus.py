"""How many threads a container may use: its cgroup's limit, not the host's cores."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_threads(root: Path = _CGROUP, cores: int | None = None) -> int:
    """At least 1: the cores of this process's affinity mask, or fewer when a CPU quota of cgroup v2 (cpu.max) or v1
    (cpu.cfs_quota_us) under `root` allows less; a part of a core counts as a whole one."""
    available = cores if cores is not None else len(os.sched_getaffinity(0))
    quota = _quota_v2(root) or _quota_v1(root / "cpu") or _quota_v1(root / "cpu,cpuacct") or float(available)
    return max(1, min(available, math.ceil(quota)))


def _quota_v2(root: Path) -> float | None:
    parts = _read(root / "cpu.max").split()
    if len(parts) != 2 or parts[0] == "max":
        return None
    return int(parts[0]) / int(parts[1])


def _quota_v1(folder: Path) -> float | None:
    quota_us, period_us = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if not quota_us or not period_us or int(quota_us) <= 0:
        return None
    return int(quota_us) / int(period_us)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # not mounted here
        return ""
