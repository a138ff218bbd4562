"""Waiting for the end of a run of a monitor."""

from __future__ import annotations

import time
from typing import Any

from shared.cli.api import Api, segment
from shared.cli.errors import CliError, ExitCode
from shared.cli.work_commands import LONGEST_S, POLL_S


def finished_run(api: Api, monitor_run_id: str) -> dict[str, Any]:
    """The run and what it found. Raises CliError when it takes too long."""
    end = time.monotonic() + max(api.timeout_s, LONGEST_S)
    while True:
        found: dict[str, Any] = api.get(f"monitor-runs/{segment(monitor_run_id)}")
        if found["run"]["phase"] not in ("Pending", "Running"):
            return found
        if time.monotonic() > end:
            raise CliError(f"{monitor_run_id} is still {found['run']['phase']}", ExitCode.TIMED_OUT)
        time.sleep(POLL_S)
