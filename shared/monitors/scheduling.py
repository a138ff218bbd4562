"""Whether a monitor's trigger starts a run now: decide(...) -> what is started and remembered; pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.monitors.schedule import latest_due
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_status import MonitorStatus


@dataclass(frozen=True, slots=True)
class Start:
    """What follows of one look at a monitor."""

    due_at: datetime | None  # the time of the trigger that a run is started for; None: none is
    status: MonitorStatus  # what is remembered, once it is started


def decide_start(
    monitor: str, declaration: dict[str, Any], status: MonitorStatus, changed_at: datetime, now: datetime
) -> Start:
    """The latest time of the trigger that is not done with; earlier ones that were missed are not caught up with. Times
    before the trigger was declared (`changed_at`, where it is not the one that is remembered) start nothing. Raises
    Invalid for a trigger that never comes."""
    said = declaration["trigger"]
    since = status.started_until if status.trigger == said and status.started_until else changed_at
    seen = status.model_copy(update={"trigger": said, "started_until": since})
    if status.disabled:
        return Start(None, seen)
    due = latest_due(MonitorDeclaration.model_validate(declaration).trigger, since, now)
    if due is None:
        return Start(None, seen)
    started = {"started_until": due, "last_started_run": scheduled_run_id(monitor, due)}
    return Start(due, seen.model_copy(update=started))


def scheduled_run_id(monitor: str, due_at: datetime) -> str:
    """The name of the run of this monitor for this time, the same whoever starts it."""
    return f"m-{hashlib.sha256(f'{monitor} {due_at.isoformat()}'.encode()).hexdigest()[:20]}"
