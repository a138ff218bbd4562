"""What this process uses of the machine and what it may, for its metrics: names of Prometheus' client libraries where
they have one."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

from shared.scoring.metrics import Metrics

# Files of a container's own control group, version 2 before version 1 (kernel: admin-guide/cgroup-v2, cgroup-v1).
_CPU_V2 = Path("/sys/fs/cgroup/cpu.max")
_CPU_V1 = (Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))
_MEMORY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_STATM, _MEMINFO = Path("/proc/self/statm"), Path("/proc/meminfo")


def add_usage(metrics: Metrics) -> None:
    """Have the metrics tell processor time and memory, and their limits; memory only where the kernel tells it."""
    metrics.read("process_cpu_seconds_total", "counter", "Processor time, of user and system.", cpu_seconds)
    metrics.read("slipway_scoring_cpu_limit_cores", "gauge", "Processors that may be used at once.", cpu_limit_cores)
    if _STATM.exists():
        metrics.read("process_resident_memory_bytes", "gauge", "Memory that is held.", resident_bytes)
        limit = memory_limit_bytes()
        metrics.read("slipway_scoring_memory_limit_bytes", "gauge", "Memory that may be held.", lambda: limit)


def cpu_seconds() -> float:
    """Of this process since it began, all threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_bytes() -> int:
    """Pages that are in memory now."""
    return int(_STATM.read_text().split()[1]) * resource.getpagesize()


def cpu_limit_cores(v2: Path = _CPU_V2, v1: Sequence[Path] = _CPU_V1) -> float:
    """The quota of the control group, and no more than the processors it may run on."""
    there = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, period = _words(v2) or (_words(v1[0]) + _words(v1[1]))[:2] or ("max", "1")
    limited = quota.isdigit() and float(period) > 0
    return min(there, float(quota) / float(period)) if limited else there


def memory_limit_bytes(groups: Sequence[Path] = _MEMORY) -> int:
    """The least of the control group's limit, the process's own, and what the machine has."""
    total = int(next(line for line in _MEMINFO.read_text().splitlines() if line.startswith("MemTotal:")).split()[1])
    limits = [total * 1024]
    limits += [int(words[0]) for words in map(_words, groups) if words and words[0].isdigit()]
    limits += [one for one in (resource.getrlimit(resource.RLIMIT_DATA)[0],) if one != resource.RLIM_INFINITY]
    return min(limits)


def _words(path: Path) -> list[str]:
    """[] for a file that is not there."""
    try:
        return path.read_text().split()
    except OSError:
        return []
