"""What is said of a signal: the notification, and its words; pure."""

from __future__ import annotations

import uuid
from datetime import datetime

from shared.monitors.alerting import Announcement, Decision, breached_metrics
from shared.resources.monitor_result import MonitorResult, SignalResult
from shared.resources.notification import Finding, Notification

_NAMESPACE = uuid.UUID("2f1c6a2e-57c4-4d0e-9a7a-0c8f0f6f3b11")
MAX_FINDINGS = 20
_WORDS = {
    "Raised": "breaches its thresholds",
    "Escalated": "has become worse",
    "Repeated": "breaches its thresholds still",
    "Resolved": "is within its thresholds again",
}


def notification_of(result: MonitorResult, signal: SignalResult, decision: Decision, at: datetime) -> Notification:
    """What people are told. Raises ValueError for a decision that announces nothing."""
    if decision.announcement is None:
        raise ValueError("there is nothing to announce")
    found = [
        Finding(
            feature=feature,
            metric=metric.metric,
            value=metric.value,
            threshold=metric.threshold,
            direction=metric.direction,
        )
        for feature, metric in breached_metrics(signal)
        if metric.value is not None and metric.threshold is not None
    ]
    listed = [] if decision.announcement is Announcement.RESOLVED else found[:MAX_FINDINGS]
    said = "\n".join((result.monitor, result.run_id, signal.name, decision.announcement))
    return Notification(
        id=str(uuid.uuid5(_NAMESPACE, said)),
        monitor=result.monitor,
        run_id=result.run_id,
        signal=signal.name,
        endpoint=result.endpoint,
        announcement=decision.announcement.value,
        severity=decision.state.severity,
        at=at,
        findings=listed,
        left_out=len(found) - len(listed) if listed else 0,
    )


def title_of(notification: Notification) -> str:
    """One line."""
    severity = "" if notification.announcement == "Resolved" else f"{notification.severity}: "
    return f"{severity}{notification.monitor}: {notification.signal} {_WORDS[notification.announcement]}"


def lines_of(notification: Notification) -> list[str]:
    """A line for each finding; [] for none."""
    found = [
        f"{one.feature or 'the signal'}: {one.metric} {one.value:.4g} is {one.direction} {one.threshold:g}"
        for one in notification.findings
    ]
    return [*found, f"and {notification.left_out} more"] if notification.left_out else found


def facts_of(notification: Notification) -> list[tuple[str, str]]:
    """What it is about, by name; what is not so is left out."""
    said = (
        ("Monitor", notification.monitor),
        ("Endpoint", notification.endpoint),
        ("Run", notification.run_id),
        ("Time", notification.at.isoformat(timespec="seconds")),
    )
    return [(name, value) for name, value in said if value]
