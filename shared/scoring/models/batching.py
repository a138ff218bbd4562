"""Runs a model for many requests at once: those that were read in the same turn of the event loop, or within a budget.

A fast model runs in the loop itself, which costs nothing; one that takes longer runs in a thread, and what arrives in
the meantime is the next batch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shared.scoring.errors import InternalError, ScoringTimeout
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics
from shared.scoring.models.onnx_model import OnnxModel, Outputs, concatenated, rows_of
from shared.scoring.models.signature import Array

INLINE_S = 0.005  # a call that is expected to take longer would keep the loop from other connections
_WEIGHT = 0.1  # of the newest call in the expected time for a row

Done = Callable[[Outputs | InternalError | ScoringTimeout, float], None]  # what came out, and the call's seconds


class Call:
    """One request's inputs, and where its outputs go."""

    __slots__ = ("done", "feeds", "rows", "timer")

    def __init__(self, feeds: dict[str, Array], rows: int, done: Done) -> None:
        self.feeds = feeds
        self.rows = rows
        self.done: Done | None = done
        self.timer: asyncio.TimerHandle | None = None

    def finish(self, outcome: Outputs | InternalError | ScoringTimeout, seconds: float) -> None:
        """Once; later outcomes are ignored."""
        done, self.done = self.done, None
        if self.timer is not None:
            self.timer.cancel()
        if done is not None:
            done(outcome, seconds)


class Batcher:
    """The queue of one model, in the loop that makes it. `close` ends its thread."""

    def __init__(
        self,
        model: OnnxModel,
        *,
        batchable: bool,
        max_rows: int,
        max_delay_ms: float,
        timeout_ms: int,
        metrics: Metrics,
    ) -> None:
        self.model = model
        self._batchable = batchable
        self._max_rows = max_rows
        self._max_delay_s = max_delay_ms / 1000
        self._timeout_ms = timeout_ms
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Call] = []
        self._waiting_rows = 0
        self._scheduled: asyncio.Handle | None = None
        self._row_s = model.row_s
        self._thread: ThreadPoolExecutor | None = None
        self._in_thread = False
        self._closed = False

    def submit(self, feeds: dict[str, Array], done: Done) -> None:
        """Run the model on them soon; `done` is called in the loop."""
        call = Call(feeds, rows_of(feeds), done)
        self._waiting.append(call)
        self._waiting_rows += call.rows
        if self._in_thread:
            self._set_timer(call)
        elif self._scheduled is None:
            if self._max_delay_s and self._batchable:
                self._scheduled = self._loop.call_later(self._max_delay_s, self._run_waiting)
            else:
                self._scheduled = self._loop.call_soon(self._run_waiting)
        elif self._max_delay_s and self._waiting_rows >= self._max_rows:
            self._scheduled.cancel()
            self._scheduled = self._loop.call_soon(self._run_waiting)

    def close(self) -> None:
        """End the thread, when what waits has been run."""
        self._closed = True
        if self._thread is not None and not self._in_thread:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _set_timer(self, call: Call) -> None:
        error = ScoringTimeout(f"Scoring timeout after {self._timeout_ms} ms")
        call.timer = self._loop.call_later(self._timeout_ms / 1000, call.finish, error, self._timeout_ms / 1000)

    def _run_waiting(self) -> None:
        """One batch; the loop looks after its connections before the next one."""
        self._scheduled = None
        if not self._waiting or self._in_thread:
            return
        batch = self._next_batch()
        if self._row_s * sum(call.rows for call in batch) <= INLINE_S:
            self._give(batch, *_run(self.model, batch))
        else:
            self._run_in_thread(batch)
        if self._waiting and not self._in_thread and self._scheduled is None:
            self._scheduled = self._loop.call_soon(self._run_waiting)

    def _next_batch(self) -> list[Call]:
        waiting = self._waiting
        first = waiting[0]
        size, rows = 1, first.rows
        if self._batchable:
            shapes = _shapes(first.feeds)
            while size < len(waiting) and rows + waiting[size].rows <= self._max_rows:
                if _shapes(waiting[size].feeds) != shapes:
                    break
                rows += waiting[size].rows
                size += 1
        self._waiting = waiting[size:]
        self._waiting_rows -= rows
        return [call for call in waiting[:size] if call.done is not None]

    def _run_in_thread(self, batch: list[Call]) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"model-{self.model.name}")
        self._in_thread = True
        for call in (*batch, *self._waiting):
            if call.timer is None:
                self._set_timer(call)
        future = self._loop.run_in_executor(self._thread, _run, self.model, batch)
        future.add_done_callback(lambda done: self._thread_done(batch, done))

    def _thread_done(self, batch: list[Call], done: asyncio.Future[tuple[list[Any], float]]) -> None:
        self._in_thread = False
        if not done.cancelled():
            self._give(batch, *done.result())
        self._run_waiting()
        if self._closed:
            self.close()

    def _give(self, batch: list[Call], outcomes: list[Any], seconds: float) -> None:
        rows = sum(call.rows for call in batch)
        if rows:
            self._row_s += _WEIGHT * (seconds / rows - self._row_s)
            self._metrics.run_seconds.observe(seconds)
            self._metrics.batch_rows.observe(rows)
        for call, outcome in zip(batch, outcomes, strict=True):
            call.finish(outcome, seconds)


def _shapes(feeds: dict[str, Array]) -> list[tuple[int, ...]]:
    return [array.shape[1:] for array in feeds.values()]


def _run(model: OnnxModel, batch: list[Call]) -> tuple[list[Any], float]:
    """For each call its outputs or an InternalError, and the seconds that all took. A call that fails does so alone."""
    began = time.perf_counter()
    try:
        if len(batch) == 1:
            outcomes: list[Any] = [model.run(batch[0].feeds)]
        elif batch:
            outputs = model.run(concatenated([call.feeds for call in batch]))
            outcomes = _split(outputs, batch)
        else:
            outcomes = []
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no root of their own
        if len(batch) > 1:
            outcomes = [_run(model, [call])[0][0] for call in batch]
        else:
            LOGGER.exception("the model %s failed", model.name)
            first_line = (str(error).splitlines() or [""])[0][:300]
            outcomes = [InternalError(f"the model failed: {first_line}")]
    return outcomes, time.perf_counter() - began


def _split(outputs: Outputs, batch: list[Call]) -> list[Outputs]:
    parts, start = [], 0
    for call in batch:
        end = start + call.rows
        parts.append({name: output[start:end] for name, output in outputs.items()})
        start = end
    return parts
