"""Threads that call a script, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
import ctypes
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from shared.scoring.errors import ScoringTimeout
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics

Outcome = Callable[[Any, BaseException | None, float], None]  # what it returned, or raised, and its milliseconds
_LOOKS = 20  # times within a timeout that calls are looked at


class Job:
    """One call. `started_s` is 0 until a thread has it."""

    __slots__ = ("function", "outcome", "started_s", "thread")

    def __init__(self, function: Callable[[], Any], outcome: Outcome) -> None:
        self.function = function
        self.outcome: Outcome | None = outcome
        self.started_s = 0.0
        self.thread: _Thread | None = None

    def finish(self, result: Any, error: BaseException | None, elapsed_ms: float) -> None:
        """Once, in the loop; later outcomes are ignored."""
        outcome, self.outcome = self.outcome, None
        if outcome is not None:
            outcome(result, error, elapsed_ms)


class _Thread(threading.Thread):
    def __init__(self, workers: Workers) -> None:
        super().__init__(name="entry-script", daemon=True)
        self.abandoned = False
        self._workers = workers

    def run(self) -> None:
        try:
            while not self.abandoned and (job := self._workers.jobs.get()) is not None:
                self._call(job)
        except TimeoutError:  # thrown into an abandoned thread a moment too late: its call had ended
            LOGGER.debug("an abandoned thread ended")

    def _call(self, job: Job) -> None:
        job.thread = self
        job.started_s = began = time.perf_counter()
        result, error = None, None
        try:
            result = job.function()
        except BaseException as raised:  # noqa: BLE001 - also SystemExit: a script must not end the server
            error = raised
        elapsed_ms = (time.perf_counter() - began) * 1000
        self._workers.post(job.finish, result, error, elapsed_ms)


class Workers:
    """`count` threads with one queue, in the loop that makes it. A call that takes longer than timeout_ms is answered
    for, and interrupted if it is in Python; its thread is replaced. `close` ends them."""

    def __init__(self, count: int, timeout_ms: int, metrics: Metrics) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._count = count
        self._timeout_ms = timeout_ms
        self._loop = asyncio.get_running_loop()
        self._running: set[Job] = set()
        self._abandoned: set[_Thread] = set()
        self._closed = False
        metrics.read("slipway_scoring_abandoned_calls", "gauge", "Calls that go on after their timeout.", self._alive)
        for _ in range(count):
            _Thread(self).start()
        self._watch = self._loop.call_later(self._look_s, self._look)

    @property
    def _look_s(self) -> float:
        return min(1.0, max(0.002, self._timeout_ms / 1000 / _LOOKS))

    def submit(self, function: Callable[[], Any], outcome: Outcome) -> None:
        """Call it in a thread; `outcome` is called in the loop."""

        def done(result: Any, error: BaseException | None, elapsed_ms: float) -> None:
            self._running.discard(job)
            outcome(result, error, elapsed_ms)

        job = Job(function, done)
        self._running.add(job)
        self.jobs.put(job)

    async def call(self, function: Callable[[], Any]) -> Any:
        """What it gives, without a timeout. Raises what it raises."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(result: Any, error: BaseException | None, elapsed_ms: float) -> None:
            if not future.done():
                future.set_result((result, error))

        self.jobs.put(Job(function, done))
        result, error = await future
        if error is not None:
            raise error
        return result

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call it in the loop, from a thread; nothing when the loop has ended."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            LOGGER.debug("a call ended after the server")

    def _alive(self) -> int:
        self._abandoned = {thread for thread in self._abandoned if thread.is_alive()}
        return len(self._abandoned)

    def _look(self) -> None:
        now_s = time.perf_counter()
        limit_s = self._timeout_ms / 1000
        for job in [job for job in self._running if job.started_s and now_s - job.started_s > limit_s]:
            self._abandon(job)
            job.finish(None, ScoringTimeout(f"Scoring timeout after {self._timeout_ms} ms"), self._timeout_ms)
        if not self._closed:
            self._watch = self._loop.call_later(self._look_s, self._look)

    def _abandon(self, job: Job) -> None:
        thread = job.thread
        if thread is None or thread.ident is None:
            return
        thread.abandoned = True
        self._abandoned.add(thread)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError))
        _Thread(self).start()

    def close(self) -> None:
        """End the threads after the calls that they are in."""
        self._closed = True
        self._watch.cancel()
        for _ in range(self._count):
            self.jobs.put(None)
