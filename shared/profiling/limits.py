"""Runs a command under real limits of CPU, memory and processes, by the best method that this machine allows."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from shared.errors import NotSupported, Permanent
from shared.profiling.cgroups import Cgroup, Limits, Usage, make_v1, make_v2
from shared.profiling.leftovers import group_prefix
from shared.profiling.process_tree import MARK, marked, rlimit_command, status_bytes, usage_of

METHODS = ("cgroup v1", "cgroup v2", "affinity and rlimits")
_MAKERS: dict[str, Callable[[str], Cgroup]] = {"cgroup v1": make_v1, "cgroup v2": make_v2}
_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'
_KILL_TIMEOUT_S = 10.0
_NUMBERS = itertools.count()


class LimitedProcess:
    """A command that runs under limits, with all that it starts."""

    def __init__(self, process: asyncio.subprocess.Process, cgroup: Cgroup | None, limits: Limits, mark: str) -> None:
        self.process = process
        self.limits = limits
        self._cgroup = cgroup
        self._mark = mark

    @property
    def method(self) -> str:
        """Which of METHODS holds it."""
        return self._cgroup.method if self._cgroup is not None else METHODS[-1]

    @property
    def limits_cpu(self) -> bool:
        """Whether it is held to a part of a core; otherwise only whole cores are kept."""
        return self._cgroup is not None

    def set_cpu(self, cpu: float) -> None:
        """Change the CPU it may use from now on. Raises NotSupported where its method keeps whole cores only."""
        if self._cgroup is None:
            raise NotSupported(f"{self.method} can't change the CPU of a running process")
        self.limits = replace(self.limits, cpu=cpu)
        self._cgroup.set_limits(self.limits)

    def usage(self) -> Usage:
        """What all its processes used so far. Its peak of memory is at least that which the first process had resident:
        a group is not charged for pages of libraries that others loaded before it."""
        used = self._cgroup.usage() if self._cgroup is not None else usage_of(marked(self._mark))
        try:
            resident = status_bytes(self.process.pid).get("VmHWM", 0)
        except (FileNotFoundError, ProcessLookupError):
            resident = 0
        return replace(used, peak_memory_bytes=max(used.peak_memory_bytes, resident))

    def pids(self) -> list[int]:
        """Its processes that still run."""
        return self._cgroup.pids() if self._cgroup is not None else marked(self._mark)

    async def kill(self) -> None:
        """End every process of the tree and remove the group. Raises Permanent when the kernel does not let one go."""
        if self._cgroup is not None:
            self._cgroup.forbid_forks()  # or a fork bomb is faster than its killer
        async with _time_limit(lambda: f"processes {self.pids()} do not end"):
            while True:
                pids = self.pids()
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                if not pids and (self._cgroup is None or _removed(self._cgroup)):
                    break
                await asyncio.sleep(0.005)
            await self.process.communicate()  # to the end of its output, or asyncio keeps the pipe


@asynccontextmanager
async def limited(
    command: Sequence[str],
    limits: Limits,
    *,
    environ: Mapping[str, str],
    cores: Sequence[int] = (),
    method: str | None = None,
) -> AsyncIterator[LimitedProcess]:
    """The running command; its standard output and error come through one pipe. `cores` pins it, () does not. Without
    `method` the first of METHODS that works here is taken. When the context ends, also by an error or cancellation, so
    have all its processes. Raises NotSupported where the method can't be had, OSError when the command can't be run."""
    cgroup = _cgroup(method)
    mark = uuid.uuid4().hex
    try:
        if cgroup is not None:
            cgroup.set_limits(limits)
        process = await asyncio.create_subprocess_exec(
            *_prefix(cgroup, limits, cores),
            *command,
            env={**environ, MARK: mark},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except BaseException:
        if cgroup is not None:
            cgroup.remove()
        raise
    running = LimitedProcess(process, cgroup, limits, mark)
    try:
        yield running
    finally:
        await to_its_end(running.kill())


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await what must not be left half done: a cancellation waits until it has ended, and is raised then."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


def best_method() -> str:
    """The first of METHODS that works here. Raises NotSupported where none does."""
    cgroup = _cgroup(None)
    if cgroup is None:
        return METHODS[-1]
    cgroup.remove()
    return cgroup.method


def _cgroup(method: str | None) -> Cgroup | None:
    """A new group; None for the method without one."""
    name = f"{group_prefix()}{os.getpid()}-{next(_NUMBERS)}"
    refused = []
    for each in METHODS[:-1] if method is None else [method]:
        try:
            if each in _MAKERS:
                return _MAKERS[each](name)
        except OSError as error:
            refused.append(f"{each}: {error.strerror} ({error.filename})")
    if method in _MAKERS:
        raise NotSupported(f"{method} can't be had here", remedy=f"run as root, or take another: {'; '.join(refused)}")
    lacking = [tool for tool in ("taskset", "prlimit") if shutil.which(tool) is None]
    if lacking or sys.platform != "linux":
        remedy = "profile on Linux, as root or with util-linux installed"
        raise NotSupported(f"nothing limits a process here: {'; '.join([*refused, *lacking])}", remedy=remedy)
    return None


def _prefix(cgroup: Cgroup | None, limits: Limits, cores: Sequence[int]) -> list[str]:
    kept = list(cores)
    if cgroup is None:
        kept = sorted(cores or os.sched_getaffinity(0))[: max(1, round(limits.cpu))]
    pinned = ["taskset", "-c", ",".join(map(str, kept))] if kept and shutil.which("taskset") else []
    if shutil.which("setpriv"):  # when this process is killed, the server is, too; what it started is for `sweep`
        pinned += ["setpriv", "--pdeathsig", "KILL", "--"]
    if cgroup is None:
        return [*rlimit_command(limits), *pinned]
    return ["/bin/sh", "-c", _ENTER, "sh", *map(str, cgroup.entrances), "--", *pinned]


def _removed(cgroup: Cgroup) -> bool:
    try:
        cgroup.remove()
    except OSError:  # the kernel still counts a process that has ended: again in a moment
        return False
    return True


@asynccontextmanager
async def _time_limit(problem: Callable[[], str]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_KILL_TIMEOUT_S):
            yield
    except TimeoutError as error:
        remedy = "look at them with ps: a process in state D waits for a device"
        raise Permanent(f"{problem()} {_KILL_TIMEOUT_S:.0f} s after SIGKILL", remedy=remedy) from error
