"""Collects what models were asked and answered, without slowing them: scoring puts arrays into a queue, a thread hands
many at once to a process, and that makes lines of them and writes them."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from shared.scoring.collector.child import Child
from shared.scoring.collector.frames import Kept, frame_of
from shared.scoring.collector.lines import column_names
from shared.scoring.http.messages import Request
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics
from shared.scoring.models.onnx_model import OnnxModel

FLUSH_S = 0.2  # the most that a request waits for others to be handed over with
_OVERHEAD_BYTES = 600  # of one request in the queue, beside its arrays
_BURST = 64  # requests of one frame; making it holds the interpreter
_COMPLAIN_S = 10.0  # between two log records of the same kind


class DataCollector:
    """Counts in /metrics what is collected, what is dropped because memory is full, and what could not be written; the
    last two are logged as well."""

    def __init__(
        self, folder: Path, who: dict[str, str], *, percent: float, buffer_bytes: int, metrics: Metrics
    ) -> None:
        """`who` has endpoint, deployment and version."""
        instance = f"{socket.gethostname()}-{os.getpid()}"
        self._config = {"folder": str(folder), "instance": instance, **who}
        self._share = percent / 100
        self._buffer_bytes = buffer_bytes
        self._random = random.Random()  # noqa: S311 - a sample, no secret
        self._waiting: deque[Kept] = deque()
        self._offered_bytes = 0  # written by the loop alone
        self._taken_bytes = 0  # written by the thread alone
        self.collected = self.sampled_out = self.dropped = self.failed = 0
        self._complained_s: dict[str, float] = {}
        self._stop = threading.Event()
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._hand_over, name="collector", daemon=True)
        for name, text, value in (
            ("collected_total", "Requests whose data were written.", lambda: self.collected),
            ("collect_sampled_out_total", "Requests that are not in the sample.", lambda: self.sampled_out),
            ("collect_dropped_total", "Requests that found the buffer full.", lambda: self.dropped),
            ("collect_failed_total", "Requests that could not be written.", lambda: self.failed),
        ):
            metrics.read(f"slipway_scoring_{name}", "counter", text, value)
        metrics.read("slipway_scoring_collect_waiting_bytes", "gauge", "In the buffer.", self._held_bytes)
        self._thread.start()

    def _held_bytes(self) -> int:
        return self._offered_bytes - self._taken_bytes

    def offer(self, model: OnnxModel, feeds: dict[str, Any], outputs: dict[str, Any], request: Request) -> None:
        """Keep it when it is in the sample and there is room, else count it."""
        if self._share < 1 and self._random.random() >= self._share:
            self.sampled_out += 1
            return
        size = _OVERHEAD_BYTES
        for array in (*feeds.values(), *outputs.values()):
            size += getattr(array, "nbytes", 0)
        if self._offered_bytes - self._taken_bytes + size > self._buffer_bytes:
            self.dropped += 1
            self._complain("dropped", f"the buffer of {self._buffer_bytes} bytes is full: requests are not collected")
            return
        self._offered_bytes += size
        columns = column_names(model.signature)
        self._waiting.append(Kept(time.time(), request.id, model.name, columns, feeds, outputs, size))

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, for at most about timeout_s; what is left is logged."""
        self._stop.set()
        self._thread.join(timeout_s)
        if self._child is not None:
            self._child.close(timeout_s)
        if self._waiting:
            LOGGER.error("%d collected requests were not written", len(self._waiting))

    def _complain(self, kind: str, message: str) -> None:
        now_s = time.monotonic()
        if now_s - self._complained_s.get(kind, -_COMPLAIN_S) >= _COMPLAIN_S:
            self._complained_s[kind] = now_s
            LOGGER.error("collecting: %s", message)

    def _reported(self, count: int, error: str) -> None:
        if error:
            self.failed += count
            self._complain("failed", f"requests could not be written: {error}")
        else:
            self.collected += count

    def _hand_over(self) -> None:
        while True:
            stopping = self._stop.wait(FLUSH_S)
            while self._waiting:
                self._send(self._next())
                time.sleep(0)  # scoring waits for the interpreter
            if stopping:
                return

    def _next(self) -> list[Kept]:
        burst = [self._waiting.popleft()]
        while self._waiting and len(burst) < _BURST and self._waiting[0].model == burst[0].model:
            burst.append(self._waiting.popleft())
        return burst

    def _send(self, burst: list[Kept]) -> None:
        """To the process, or to a new one when that has ended."""
        frame = frame_of(burst)
        for last in (False, True):
            try:
                if self._child is None:
                    self._child = Child(self._config, self._reported)
                self._child.send(frame)
                break
            except OSError as error:
                if self._child is not None:
                    self._child.close(0.1)
                    self._child = None
                if last:
                    self._reported(len(burst), str(error))
        self._taken_bytes += sum(each.held_bytes for each in burst)
