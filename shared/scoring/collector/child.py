"""The writing process, as the server's collector sees it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import orjson

from shared.scoring.collector import frames
from shared.scoring.logs import LOGGER

# How many requests, what they held in the buffer, and what went wrong ("": they are written).
Report = Callable[[int, int, str], None]


class Child:
    """One process. `report` is called, in a thread, when it has dealt with what it was sent."""

    def __init__(self, config: dict[str, Any], report: Report) -> None:
        """Raises OSError when it can't be started."""
        self._report = report
        self._count = self._held_bytes = 0  # sent, and not reported
        self._has_ended = False
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shared.scoring.collector.writer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(config) + b"\n")
        self._reader = threading.Thread(target=self._read, name="collector-reports", daemon=True)
        self._reader.start()

    def send(self, envelope: frames.Envelope) -> None:
        """Hand it over; waits while the process is behind. Raises OSError when it has ended and has not got it."""
        assert self._process.stdin is not None
        with self._lock:
            self._count += envelope.count
            self._held_bytes += envelope.held_bytes
        try:
            frames.write(self._process.stdin, envelope)
        except OSError:
            with self._lock:
                if self._has_ended:
                    return  # it was reported with the others that the process had not dealt with
                self._count -= envelope.count
                self._held_bytes -= envelope.held_bytes
            raise

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = orjson.loads(line)
            with self._lock:
                self._count -= report["count"]
                self._held_bytes -= report["held_bytes"]
            self._report(report["count"], report["held_bytes"], report["error"])
        code = self._process.wait()
        with self._lock:
            self._has_ended = True
            lost, held_bytes = self._count, self._held_bytes
            self._count = self._held_bytes = 0
        if lost:
            self._report(lost, held_bytes, f"the writing process ended with {code}")

    @property
    def has_ended(self) -> bool:
        """Whether it is gone: another one is needed."""
        return self._has_ended

    def close(self, timeout_s: float) -> None:
        """Let it write what it has; end it when that takes longer than timeout_s."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            LOGGER.debug("the writing process has ended before")
        self._reader.join(timeout_s)
        if self._process.poll() is None:
            LOGGER.error("the writing process did not end within %g s", timeout_s)
            self._process.kill()
        self._reader.join(1.0)
