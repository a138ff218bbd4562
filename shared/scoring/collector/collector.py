"""Collects what models were asked and answered, without slowing them: scoring puts arrays into a queue, a thread hands
many at once to a process, and that makes lines of them and writes them."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from shared.scoring.collector.child import Child
from shared.scoring.collector.frames import Document, Kept, envelope_of, facts_of
from shared.scoring.collector.plan import INPUTS, OUTPUTS, Plan
from shared.scoring.http.messages import Request
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics
from shared.scoring.models.onnx_model import OnnxModel

FLUSH_S = 0.2  # the most that a request waits for others to be handed over with
CLOSE_S = 10.0
NOT_SAMPLED = "dropped_sampling"  # as azureml-ai-monitoring calls it
_OVERHEAD_BYTES = 600  # of one request in the queue, beside its data
_BURST = 128  # requests of one frame; making it holds the interpreter
_RESTART_S = 1.0  # between two starts of the writing process
_COMPLAIN_S = 10.0  # between two log records of the same kind

Offer = Callable[[dict[str, Any], dict[str, Any], Request], None]


class DataCollector:
    """Counts in /metrics what is collected, what is dropped because memory is full, and what could not be written; the
    last two are logged as well. What was handed over and is not written yet counts as waiting."""

    def __init__(self, plan: Plan, metrics: Metrics) -> None:
        self.plan = plan
        self._config = plan.config(f"{socket.gethostname()}-{os.getpid()}")
        self._waiting: deque[Kept | Document] = deque()
        self._held_bytes = 0
        self._lock = threading.Lock()  # of the figures: they change in the loop, in scripts' and our own threads
        self.collected = self.sampled_out = self.dropped = self.failed = 0
        self._complained_s: dict[str, float] = {}
        self._stop = threading.Event()
        self._child: Child | None = None
        self._started_s = -_RESTART_S
        self._thread = threading.Thread(target=self._hand_over, name="collector", daemon=True)
        for name, text, value in (
            ("collected_total", "Requests whose data were written.", lambda: self.collected),
            ("collect_sampled_out_total", "Requests that are not in the sample.", lambda: self.sampled_out),
            ("collect_dropped_total", "Requests that found the buffer full.", lambda: self.dropped),
            ("collect_failed_total", "Requests that could not be written.", lambda: self.failed),
        ):
            metrics.read(f"slipway_scoring_{name}", "counter", text, value)
        metrics.read("slipway_scoring_collect_waiting_bytes", "gauge", "Not written yet.", lambda: self._held_bytes)
        self._thread.start()

    def of_model(self, model: OnnxModel) -> Offer | None:
        """Takes the inputs and outputs of this model; None when neither is collected. It never waits."""
        inputs, outputs = (name in self.plan.collections for name in (INPUTS, OUTPUTS))
        if not inputs and not outputs:
            return None
        facts, samples, room, waiting = facts_of(model.name, model.signature), self._samples, self._room, self._waiting
        row_bytes, now = facts.row_bytes, time.time

        def offer(feeds: dict[str, Any], given: dict[str, Any], request: Request) -> None:
            if not samples(request.id):
                return
            if row_bytes:
                size = _OVERHEAD_BYTES + row_bytes * len(next(iter(feeds.values())))
            else:
                size = _OVERHEAD_BYTES + sum(getattr(each, "nbytes", 0) for each in (*feeds.values(), *given.values()))
            if room(size):
                waiting.append(Kept(now(), request.id, facts, feeds if inputs else {}, given if outputs else {}, size))

        return offer

    def offer_document(self, collection: str, content: bytes, request_id: str, correlation_id: str, **more: Any) -> str:
        """Keep one body or the rows that a script collects; why it is not kept, "" when it is. Called by any thread.
        `more`: moment_s, content_encoding, and further fields of the line."""
        if not self._samples(correlation_id):
            return NOT_SAMPLED
        size = _OVERHEAD_BYTES + len(content)
        if not self._room(size):
            return f"the buffer of {self.plan.buffer_bytes} bytes is full"
        moment_s, encoding = more.pop("moment_s", None) or time.time(), more.pop("content_encoding", "")
        self._waiting.append(Document(moment_s, request_id, correlation_id, collection, content, encoding, more, size))
        return ""

    def _samples(self, correlation_id: str) -> bool:
        if self.plan.share >= 1 or self.plan.samples(correlation_id):
            return True
        with self._lock:
            self.sampled_out += 1
        return False

    def _room(self, size_bytes: int) -> bool:
        with self._lock:
            if self._held_bytes + size_bytes <= self.plan.buffer_bytes:
                self._held_bytes += size_bytes
                return True
            self.dropped += 1
        self._complain("dropped", f"the buffer of {self.plan.buffer_bytes} bytes is full: requests are not collected")
        return False

    def close(self) -> None:
        """Write what waits, for at most about CLOSE_S; what is left is logged."""
        self._stop.set()
        self._thread.join(CLOSE_S)
        if self._child is not None:
            self._child.close(CLOSE_S)
        if self._waiting:
            LOGGER.error("%d collected requests were not written", len(self._waiting))

    def _complain(self, kind: str, message: str) -> None:
        now_s = time.monotonic()
        if now_s - self._complained_s.get(kind, -_COMPLAIN_S) >= _COMPLAIN_S:
            self._complained_s[kind] = now_s
            LOGGER.error("collecting: %s", message)

    def _reported(self, count: int, held_bytes: int, error: str) -> None:
        with self._lock:
            self._held_bytes -= held_bytes
            if error:
                self.failed += count
            else:
                self.collected += count
        if error:
            self._complain("failed" if count else "tried again", f"requests could not be written: {error}")

    def _hand_over(self) -> None:
        while True:
            stopping = self._stop.wait(FLUSH_S)
            while self._waiting:
                self._send(self._next())
                time.sleep(0)  # scoring waits for the interpreter
            if stopping:
                return

    def _next(self) -> list[Any]:
        """Requests of one model, or documents."""
        waiting = self._waiting
        burst = [waiting.popleft()]
        facts = getattr(burst[0], "facts", None)
        while waiting and len(burst) < _BURST and getattr(waiting[0], "facts", None) is facts:
            burst.append(waiting.popleft())
        return burst

    def _started(self) -> Child:
        """A process; not at once when the last one was started just now, so that a broken one does no harm."""
        self._stop.wait(max(0.0, self._started_s + _RESTART_S - time.monotonic()))
        self._started_s = time.monotonic()
        return Child(self._config, self._reported)

    def _send(self, burst: list[Any]) -> None:
        """To the process, or to a new one when that has ended."""
        envelope = envelope_of(burst)
        for last in (False, True):
            try:
                if self._child is None or self._child.has_ended:
                    self._child = self._started()
                self._child.send(envelope)
                return
            except OSError as error:
                if self._child is not None:
                    self._child.close(0.1)
                    self._child = None
                if last:
                    self._reported(envelope.count, envelope.held_bytes, str(error))
