"""Load on a server, open-loop and closed-loop; `python -m shared.profiling.load` runs one, told as JSON.

Open loop: requests begin at the moments of a Poisson process, whether or not earlier ones are answered, and a latency
counts from the moment the request was meant to be sent. A server that stalls so can't make its load wait with it
(coordinated omission: Tene 2013; Schroeder et al., "Open Versus Closed", NSDI 2006).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import selectors
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from shared.profiling.client import NO_ANSWER, Pool, request_bytes
from shared.profiling.statistics import is_steady

MAX_CONNECTIONS = 512  # below what select(2) can watch, and the limits at which the server itself refuses
OPENED_BEFORE = 16
OVERLOAD_S = 2.0  # of unanswered load after which an open loop is given up: the queue only grows
WINDOW_S = 1.0
PRIORITY = -20  # of the generator, where it is allowed: what delays it is counted as latency


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be done to a server on this machine."""

    port: int
    path: str
    content_type: str
    bodies: tuple[str, ...]  # drawn from at random, evenly
    duration_s: float
    rate_rps: float = 0.0  # of the open loop; 0 for a closed loop
    concurrency: int = 1  # of the closed loop
    most: int = 0  # requests of the closed loop; 0 for no limit
    until_steady: bool = False  # end the closed loop when three windows of 1 s agree
    warm_up_s: float = 0.0  # at the beginning, sent but not counted
    timeout_s: float = 10.0  # for an answer
    seed: int = 0
    cores: tuple[int, ...] = ()  # the generator is pinned to; () for no pinning
    host: str = "127.0.0.1"


@dataclass(slots=True)
class LoadResult:
    """What came of it. Latencies are of all counted requests; one without an answer has at least that of its wait."""

    sent: int = 0
    succeeded: int = 0  # answered with 2xx
    unanswered: int = 0  # within the time limit, or when an overload was given up
    overloaded: bool = False  # given up, because the queue only grew
    duration_s: float = 0.0  # that was counted
    latencies_ms: list[float] = field(default_factory=list)
    lateness_ms: list[float] = field(default_factory=list)  # of the generator itself: sent after the intended moment
    statuses: dict[str, int] = field(default_factory=dict)  # "0" where the connection broke
    windows: list[int] = field(default_factory=list)  # of a closed loop: answers in each second
    steady: bool = False  # whether the last three windows agree


async def run(load: Load) -> LoadResult:
    """Do it. Raises OSError when nobody listens there at the beginning."""
    pool = Pool(load.host, load.port, MAX_CONNECTIONS)
    run = _Run(load, pool)
    try:
        await pool.open(OPENED_BEFORE if load.rate_rps else load.concurrency)
        await (run.open_loop() if load.rate_rps else run.closed_loop())
        return run.finished()
    finally:
        pool.close()


class _Run:
    """The counters of one load."""

    def __init__(self, load: Load, pool: Pool) -> None:
        self._load = load
        self._pool = pool
        self._draw = random.Random(load.seed)  # noqa: S311 - no secret: a reproducible load
        self._requests = [
            request_bytes(f"{load.host}:{load.port}", load.path, load.content_type, body.encode())
            for body in load.bodies
        ]
        self._result = LoadResult()
        self._open: dict[int, float] = {}  # number of a counted request: its intended moment
        self._answered = asyncio.Event()  # nothing is under way
        self._stopped = False
        self._began_s = time.perf_counter()

    def _send(self, intended_s: float, counted: bool) -> None:
        number = self._result.sent
        if counted:
            self._result.sent += 1
            self._open[number] = intended_s
            self._result.lateness_ms.append((time.perf_counter() - intended_s) * 1000)
        self._pool.send(self._draw.choice(self._requests), lambda status: self._done(number, status, counted))

    def _done(self, number: int, status: int, counted: bool) -> None:
        if self._stopped:
            return
        if counted:
            intended_s = self._open.pop(number)
            self._result.latencies_ms.append((time.perf_counter() - intended_s) * 1000)
            self._result.statuses[str(status)] = self._result.statuses.get(str(status), 0) + 1
            self._result.succeeded += 200 <= status < 300
            if not self._open:
                self._answered.set()
        if not self._load.rate_rps:
            self._count_window()
            if status != NO_ANSWER and (not self._load.most or self._result.sent < self._load.most):
                self._send(time.perf_counter(), counted=True)

    async def open_loop(self) -> None:
        """Send at the moments of a Poisson process, then wait for the last answers."""
        load = self._load
        begin_s = time.perf_counter()
        counted_from_s = begin_s + load.warm_up_s
        end_s = counted_from_s + load.duration_s
        moment_s = begin_s + self._draw.expovariate(load.rate_rps)
        limit = max(64.0, OVERLOAD_S * load.rate_rps)
        while moment_s < end_s and not self._result.overloaded:
            await asyncio.sleep(moment_s - time.perf_counter())
            self._send(moment_s, counted=moment_s >= counted_from_s)
            moment_s += self._draw.expovariate(load.rate_rps)
            self._result.overloaded = len(self._open) > limit or self._oldest_s() > load.timeout_s
        self._result.duration_s = min(time.perf_counter(), end_s) - counted_from_s
        if self._open and not self._result.overloaded:
            self._answered.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._answered.wait(), load.timeout_s)

    async def closed_loop(self) -> None:
        """Each connection sends its next request when its last one is answered."""
        load = self._load
        self._began_s = time.perf_counter()
        for _ in range(load.concurrency):
            self._send(time.perf_counter(), counted=True)
        while (elapsed_s := time.perf_counter() - self._began_s) < load.duration_s:
            broken = not self._open  # nothing is under way: every connection broke
            if (
                broken
                or (load.until_steady and is_steady(self._result.windows[:-1]))
                or self._oldest_s() > load.timeout_s
            ):
                break
            await asyncio.sleep(0.01)
        self._result.duration_s = elapsed_s
        self._result.steady = is_steady(self._result.windows[:-1])

    def _count_window(self) -> None:
        index = int((time.perf_counter() - self._began_s) / WINDOW_S)
        windows = self._result.windows
        windows.extend([0] * (index + 1 - len(windows)))
        windows[index] += 1

    def _oldest_s(self) -> float:
        """How long the oldest request waits; 0 for none. They are in the order in which they were sent."""
        return time.perf_counter() - next(iter(self._open.values())) if self._open else 0.0

    def finished(self) -> LoadResult:
        """The result; a closed loop's requests that are under way at its end are not counted."""
        self._stopped = True
        now_s, result = time.perf_counter(), self._result
        waiting = [moment_s for moment_s in self._open.values()]
        if not self._load.rate_rps:
            waiting = [moment_s for moment_s in waiting if now_s - moment_s > self._load.timeout_s]
            result.sent -= len(self._open) - len(waiting)
        result.unanswered = len(waiting)
        result.latencies_ms += [(now_s - moment_s) * 1000 for moment_s in waiting]
        return result


async def run_apart(load: Load, python: str = sys.executable) -> LoadResult:
    """The same in a process of its own, pinned to `load.cores`, so that neither the caller's work delays requests nor
    the load the caller. Raises Permanent when it fails; the process ends with this call, also when cancelled."""
    from shared.errors import Permanent

    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "shared.profiling.load"),
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        told, failed = await process.communicate(json.dumps(asdict(load)).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode:
        reason = failed.decode(errors="replace").strip().rpartition("\n")[2]
        raise Permanent(f"the load generator failed: {reason or f'exit code {process.returncode}'}")
    return LoadResult(**json.loads(told))


def main() -> None:
    """Read a Load from standard input, do it, print its LoadResult; both as JSON."""
    document = json.load(sys.stdin)
    load = Load(**{**document, "bodies": tuple(document["bodies"]), "cores": tuple(document["cores"])})
    if load.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, load.cores)
    with suppress(OSError):  # only root may; with autogroups (sched(7)) the priority of the session is what counts
        os.nice(PRIORITY)
        Path("/proc/self/autogroup").write_text(str(PRIORITY))
    gc.disable()  # a collection would delay requests; the process lives for seconds
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        json.dump(asdict(runner.run(run(load))), sys.stdout)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """select(2) waits to the microsecond, where epoll's milliseconds would make every request late."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
