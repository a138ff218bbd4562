"""Monitors, when they run, and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.monitors.schedule import next_due
from shared.resources.base import Document, Resource
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_result import Verdict
from shared.resources.monitor_run import MonitorRunPhase, MonitorRunSpec, MonitorRunStatus, RunReason
from shared.resources.monitor_status import MonitorStatus


class MonitorSchedule(Document):
    """A monitor, and when it runs."""

    name: str
    enabled: bool = Field(description="whether its trigger starts runs")
    next_run_at: datetime | None = Field(description="when its trigger comes next; null for never, or while disabled")
    last_started_run: str | None = Field(description="the run that its trigger started last; null before the first")
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource, now: datetime) -> MonitorSchedule:
        """The answer for a stored monitor."""
        status = MonitorStatus.model_validate(resource.status)
        declared = MonitorDeclaration.model_validate(resource.spec["declaration"])
        return cls(
            name=resource.name,
            enabled=not status.disabled,
            next_run_at=None if status.disabled else next_due(declared.trigger, now),
            last_started_run=status.last_started_run or None,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class MonitorSchedulePage(Document):
    items: list[MonitorSchedule]
    continuation: str | None


class MonitorRun(Document):
    """A run of a monitor."""

    monitor_run_id: str
    monitor: str
    phase: MonitorRunPhase
    verdict: Verdict | None = Field(description="of the whole result; null before it has ended")
    reason: RunReason = Field(description="what it was begun by")
    due_at: datetime = Field(description="what its windows look back from")
    error: str = Field(description="why there is no result")
    log_tail: list[str] = Field(description="the last lines of its progress")
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> MonitorRun:
        """The answer for a stored run."""
        spec = MonitorRunSpec.model_validate(resource.spec)
        status = MonitorRunStatus.model_validate(resource.status)
        return cls(
            monitor_run_id=resource.name,
            monitor=spec.monitor,
            phase=status.phase,
            verdict=status.verdict,
            reason=spec.reason,
            due_at=spec.due_at,
            error=status.error,
            log_tail=status.log_tail,
            started_at=status.started_at,
            finished_at=status.finished_at,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class MonitorRunFound(Document):
    """A run and what it found."""

    run: MonitorRun
    result: dict[str, Any] | None = Field(description="the MonitorResult; null where there is none")


class MonitorRunPage(Document):
    items: list[MonitorRun]
    continuation: str | None
