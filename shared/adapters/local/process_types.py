"""What is asked of the supervisor of processes, and what it tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MAX_LOG_BYTES = 10 * 2**20


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What a process may use; None is without a limit of its own."""

    memory_bytes: int | None = None  # of data it allocates (RLIMIT_DATA): mapped model files do not count
    open_files: int | None = None  # RLIMIT_NOFILE
    cpus: frozenset[int] = field(default_factory=frozenset)  # numbers of CPUs it runs on; empty for all


LISTEN_VARIABLE = "SLIPWAY_LISTEN_FD"  # in its environment: the number of the listening socket that it gets


class ProcessPhase(StrEnum):
    """How far a process is."""

    STARTING = "Starting"  # it runs, and is not ready yet, or not any more
    READY = "Ready"  # it runs and is ready
    BACKING_OFF = "BackingOff"  # it ended by itself, and is started again when some time has passed
    STOPPING = "Stopping"  # it was asked to end, because nobody wants it, or as it is


@dataclass(frozen=True, slots=True)
class DesiredProcess:
    """What is to run. Any change of it, but of the last four, is a new process in place of the old."""

    name: str  # of its folder
    arguments: tuple[str, ...]  # the program first
    environ: Mapping[str, str]  # all of its environment
    folder: Path  # it works in
    ready_url: str = ""  # that answers when it is ready; "" when running is enough
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    start_timeout_s: float = 120.0  # that it may be not ready; then it is started again
    stop_timeout_s: float = 30.0  # between SIGTERM and SIGKILL
    max_log_bytes: int = MAX_LOG_BYTES  # of its log, and as much of the log before
    listen_port: int = 0  # of loopback, whose socket it gets and which outlives it; 0 for none

    @property
    def digest(self) -> str:
        """The same for what is the same process."""
        limits = (self.limits.memory_bytes, self.limits.open_files, sorted(self.limits.cpus))
        said = [self.arguments, sorted(self.environ.items()), str(self.folder), self.ready_url, limits]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ObservedProcess:
    """What is so."""

    phase: ProcessPhase
    pid: int = 0  # 0 while none runs
    began_s: float = 0.0  # Unix time
    failures: int = 0  # ends in a row that nobody asked for
    restarts: int = 0
    exit: str = ""  # how it ended last; "" for never
    log_tail: str = ""  # the newest lines, when it ended
