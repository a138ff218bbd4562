"""The process that makes lines of collected data and writes them: `python -m shared.scoring.collector.writer`.

A thread of the server would take its interpreter away from scoring. The first line of standard input says what to do;
what follows are envelopes, until it ends. For what was dealt with it says on standard output how many requests were
written, or why they were not.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

from shared.scoring.collector import frames
from shared.scoring.collector.line_maker import LineMaker, Parts
from shared.scoring.collector.sinks import Sink, sink_of

NICENESS = 5  # scoring comes first where cores are scarce
GATHER_BYTES = 4 * 2**20  # are written without waiting for more
_AHEAD = 8  # envelopes that are read while others are written; the server counts what they hold

Report = Callable[[int, int, str], None]
Arriving = queue.Queue[frames.Envelope | None]


class Writer:
    """Gathers lines, and appends them."""

    def __init__(self, maker: LineMaker, sink: Sink, report: Report) -> None:
        self._maker = maker
        self._sink = sink
        self._report = report
        self._forget()

    def _forget(self) -> None:
        self._parts: Parts = {}
        self._count = self._held_bytes = 0

    def run(self, arriving: Arriving) -> None:
        """Write what arrives, until None does."""
        due_s = 0.0
        while True:
            wait_s = max(0.0, due_s - time.monotonic()) if self._count else None
            try:
                envelope = arriving.get(wait_s != 0.0, wait_s)
            except queue.Empty:
                self._write()
                continue
            if envelope is None:
                self._write()
                return
            if not self._count:
                due_s = time.monotonic() + self._sink.gather_s
            self._maker.add(envelope, self._parts)
            self._count += envelope.count
            self._held_bytes += envelope.held_bytes
            if self._held_bytes > GATHER_BYTES:
                self._write()

    def _write(self) -> None:
        error = ""
        for path, lines in self._parts.items():
            try:
                self._sink.append(path, b"".join(lines))
            except OSError as raised:
                error = str(raised) or type(raised).__name__
        if self._count:
            self._report(self._count, self._held_bytes, error)
        self._forget()


def _say(count: int, held_bytes: int, error: str) -> None:
    sys.stdout.buffer.write(orjson.dumps({"count": count, "held_bytes": held_bytes, "error": error}) + b"\n")
    sys.stdout.buffer.flush()


def _read(arriving: Arriving) -> None:
    while (envelope := frames.read(sys.stdin.buffer)) is not None:
        arriving.put(envelope)
    arriving.put(None)


def main() -> None:
    """Write until standard input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server decides when: it has more to hand over
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    config: dict[str, Any] = orjson.loads(sys.stdin.buffer.readline())
    sink = sink_of(config.pop("to"), lambda message: _say(0, 0, message))
    arriving: Arriving = queue.Queue(_AHEAD)
    threading.Thread(target=_read, args=(arriving,), daemon=True).start()
    Writer(LineMaker(**config), sink, _say).run(arriving)


if __name__ == "__main__":
    main()
