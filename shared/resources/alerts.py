"""Alerts of monitors: how bad a breach is, and what is remembered from run to run."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document


class Severity(StrEnum):
    """How bad a breach is."""

    NONE = "None"  # there is none
    WARNING = "Warning"  # beyond the threshold
    CRITICAL = "Critical"  # beyond the threshold by the monitor's critical_factor


class AlertPhase(StrEnum):
    """What is so of a signal."""

    QUIET = "Quiet"  # the last run that could say something found it within its thresholds
    PENDING = "Pending"  # it breached, and not yet often enough in a row to be announced
    FIRING = "Firing"  # it breached, and that was announced


_P = AlertPhase
ALERT_TRANSITIONS: dict[AlertPhase, frozenset[AlertPhase]] = {
    _P.QUIET: frozenset({_P.PENDING, _P.FIRING}),
    _P.PENDING: frozenset({_P.QUIET, _P.FIRING}),
    _P.FIRING: frozenset({_P.QUIET}),
}


class AlertState(Document):
    """What is remembered of a signal between runs."""

    phase: AlertPhase = AlertPhase.QUIET
    breaches: int = 0  # runs in a row that breached; runs without enough data neither count nor end the row
    severity: Severity = Severity.NONE  # of the last breach that was announced
    announced_at: datetime | None = None  # when people were last told of a breach; kept when it is over: cool-down
    run_id: str = ""  # the run that was judged last: judging it again changes nothing
    due_at: datetime | None = None  # what that run looked back from: one that looks back from earlier changes nothing
    kind: str = ""  # what that run announced: Raised, Escalated, Repeated, Resolved; "" for nothing


class Announcement(StrEnum):
    """What people are told."""

    RAISED = "Raised"  # it breached often enough in a row
    ESCALATED = "Escalated"  # it was announced, and is worse now
    REPEATED = "Repeated"  # it breaches still, and the cool-down is over
    RESOLVED = "Resolved"  # what was announced is over


class Announced(Document):
    """What a run tells of one signal."""

    announcement: Announcement
    severity: Severity


class RunAlerts(Document):
    """What a run tells, decided once."""

    at: datetime  # when that was decided
    announced: dict[str, Announced] = Field(default_factory=dict)  # by signal; "": of the runs themselves


class AlertPolicy(Document):
    """When a breach is announced."""

    consecutive_breaches: int = Field(default=1, ge=1)  # runs in a row before it is
    cool_down_s: float = Field(default=0.0, ge=0)  # between two announcements of one signal that is no worse than then
    critical_factor: float = Field(default=2.0, ge=1)  # how many times the threshold is critical
    minimum_severity: Severity = Severity.WARNING  # less than that is not announced
