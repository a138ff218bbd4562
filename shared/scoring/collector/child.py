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

Report = Callable[[int, str], None]  # how many requests, and what went wrong ("": they are written)


class Child:
    """One process. `report` is called, in a thread, for every frame that it has dealt with."""

    def __init__(self, config: dict[str, Any], report: Report) -> None:
        """Raises OSError when it can't be started."""
        self._report = report
        self._unanswered = 0  # requests that were sent and not reported
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shared.scoring.collector.writer", orjson.dumps(config).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read, name="collector-reports", daemon=True)
        self._reader.start()

    def send(self, frame: frames.Frame) -> None:
        """Hand it over; waits while the process is behind. Raises OSError when it has ended and has not got it."""
        assert self._process.stdin is not None
        with self._lock:
            frames.write(self._process.stdin, frame)
            self._unanswered += len(frame.request_ids)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report = orjson.loads(line)
            with self._lock:
                self._unanswered -= report["count"]
            self._report(report["count"], report["error"])
        code = self._process.wait()
        with self._lock:
            lost, self._unanswered = self._unanswered, 0
        if lost:
            self._report(lost, f"the writing process ended with {code}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

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
