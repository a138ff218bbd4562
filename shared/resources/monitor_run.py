"""Runs of monitors as resources: what is looked at, how far it is, and what was found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.resources.alerts import AlertState
from shared.resources.base import Document
from shared.resources.build import StoredText, WorkStatus
from shared.resources.deployment_figures import DeploymentFigures
from shared.resources.monitor_result import Verdict
from shared.resources.notification import OwedNotification

KIND = "monitor-run"


class MonitorRunPhase(StrEnum):
    """Where a run is on its way."""

    PENDING = "Pending"  # nothing was read yet
    RUNNING = "Running"  # the statistics are calculated
    SUCCEEDED = "Succeeded"  # there is a result, whatever it says
    FAILED = "Failed"  # there is none; `error` says why
    CANCELED = "Canceled"  # somebody asked for that


_P = MonitorRunPhase
MONITOR_RUN_TRANSITIONS: dict[MonitorRunPhase, frozenset[MonitorRunPhase]] = {
    _P.PENDING: frozenset({_P.RUNNING, _P.FAILED, _P.CANCELED}),
    _P.RUNNING: frozenset({_P.SUCCEEDED, _P.FAILED, _P.CANCELED}),
    _P.SUCCEEDED: frozenset(),
    _P.FAILED: frozenset(),
    _P.CANCELED: frozenset(),
}
MONITOR_RUN_TERMINAL = frozenset({_P.SUCCEEDED, _P.FAILED, _P.CANCELED})


class RunReason(StrEnum):
    """What a run was begun by."""

    SCHEDULED = "Scheduled"  # the monitor's trigger
    REQUESTED = "Requested"  # somebody, who wants to know what is so now
    BACKFILL = "Backfill"  # somebody, who wants to know what was so then


class MonitorRunSpec(Document):
    """A monitor as it was when the run was asked for, and the time that its windows end at."""

    monitor: str  # its name
    declaration: dict[str, Any]  # the MonitorDeclaration, dumped by alias without what was left out
    due_at: datetime  # windows look back from here
    reason: RunReason = RunReason.REQUESTED  # what it was begun by
    announces: bool = True  # whether breaches are events, and people are told
    after: str = ""  # of a backfill: the run of the time before, which ends first; "" for the first
    then: str = ""  # of a backfill: the run of the time after, which is waked; "" for the last


class MonitorRunStatus(WorkStatus):
    """What is so of a run."""

    phase: MonitorRunPhase = MonitorRunPhase.PENDING
    verdict: Verdict | None = None  # of the whole result; None before it ended
    result: StoredText | None = None  # the MonitorResult as JSON; None before it ended
    error: str = ""  # why there is no result
    figures: DeploymentFigures | None = None  # what the deployment had counted when the run looked; None: not asked for
    notifications: list[OwedNotification] = Field(default_factory=list)  # what people are told of it
    alerts: dict[str, AlertState] = Field(default_factory=dict)  # of a backfill: what its next run goes on from
    owed_since: datetime | None = None  # when they were decided; None before
