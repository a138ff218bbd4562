"""What is so of a monitor between its runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.resources.base import Status


class MonitorStatus(Status):
    """What a declared monitor remembers; a file that is applied leaves it as it is."""

    disabled: bool = False  # whether its trigger starts nothing: somebody asked for that
    trigger: dict[str, Any] = Field(default_factory=dict)  # that `started_until` is about; {} before the first look
    started_until: datetime | None = None  # times of the trigger up to here are done with; None before the first look
    last_started_run: str = ""  # the run that the trigger started last; "" before the first
