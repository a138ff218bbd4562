"""What is said of a signal: the notification, and its words; pure."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from shared.monitors.alerting import ITSELF, breached_metrics
from shared.resources.alerts import Announced, Announcement, RunAlerts
from shared.resources.monitor_result import MonitorResult, SignalResult, Verdict
from shared.resources.notification import Finding, Notification

_NAMESPACE = uuid.UUID("2f1c6a2e-57c4-4d0e-9a7a-0c8f0f6f3b11")
MAX_FINDINGS = 20
MAX_REASON = 2000  # letters
_WORDS = {
    "Raised": "breaches its thresholds",
    "Escalated": "has become worse",
    "Repeated": "breaches its thresholds still",
    "Resolved": "is within its thresholds again",
}
_WORDS_OF_RUNS = {
    "Raised": "a run failed",
    "Escalated": "a run failed",
    "Repeated": "a run failed again",
    "Resolved": "runs end well again",
}


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Which run it is about."""

    monitor: str
    run_id: str
    endpoint: str  # ENDPOINT/DEPLOYMENT; "" where none is monitored
    error: str  # why there is no result; "" where there is one


def notifications_of(
    told: RunAlerts, wanted: Collection[str], facts: RunFacts, result: MonitorResult | None
) -> list[Notification]:
    """What people are told of a run, of what they want to be told (`notify_on`), in the order of the signals' names;
    [] for nothing."""
    found = []
    for signal, announced in sorted(told.announced.items()):
        if _kinds(signal, announced) <= set(wanted):
            found.append(_notification(signal, announced, told.at, facts, result))
    return found


def _kinds(signal: str, announced: Announced) -> set[str]:
    """What of `notify_on` it is: all of it has to be wanted."""
    of_run = {"failed"} if signal == ITSELF else set()
    if announced.announcement == Announcement.RESOLVED:
        return {"recovered"} | of_run
    return of_run or {"breached"}


def _notification(
    signal: str, announced: Announced, at: datetime, facts: RunFacts, result: MonitorResult | None
) -> Notification:
    one = next((one for one in result.signals if one.name == signal), None) if result else None
    is_over = announced.announcement == Announcement.RESOLVED
    found = [] if one is None or is_over else _findings(one)
    said = "\n".join((facts.monitor, facts.run_id, signal, announced.announcement))
    return Notification(
        id=str(uuid.uuid5(_NAMESPACE, said)),
        monitor=facts.monitor,
        run_id=facts.run_id,
        signal=signal,
        endpoint=facts.endpoint,
        announcement=announced.announcement,
        severity=announced.severity,
        at=at,
        findings=found[:MAX_FINDINGS],
        left_out=max(0, len(found) - MAX_FINDINGS),
        reason="" if is_over or signal != ITSELF else facts.error[:MAX_REASON] or _failed_signals(result),
    )


def _findings(signal: SignalResult) -> list[Finding]:
    return [
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


def _failed_signals(result: MonitorResult | None) -> str:
    """Which signals could not be calculated, and why; "" for none."""
    failed = [one for one in result.signals if one.verdict == Verdict.FAILED] if result else []
    return "; ".join(f"{one.name}: {one.reason or 'it could not be calculated'}" for one in failed)[:MAX_REASON]


def title_of(notification: Notification) -> str:
    """One line."""
    severity = "" if notification.announcement == "Resolved" else f"{notification.severity}: "
    if notification.signal == ITSELF:
        return f"{severity}{notification.monitor}: {_WORDS_OF_RUNS[notification.announcement]}"
    return f"{severity}{notification.monitor}: {notification.signal} {_WORDS[notification.announcement]}"


def lines_of(notification: Notification) -> list[str]:
    """A line for each finding, and why a run failed; [] for nothing."""
    found = [
        f"{one.feature or 'the signal'}: {one.metric} {one.value:.4g} is {one.direction} {one.threshold:g}"
        for one in notification.findings
    ]
    more = [f"and {notification.left_out} more"] if notification.left_out else []
    return [*found, *more, *([notification.reason] if notification.reason else [])]


def facts_of(notification: Notification) -> list[tuple[str, str]]:
    """What it is about, by name; what is not so is left out."""
    said = (
        ("Monitor", notification.monitor),
        ("Endpoint", notification.endpoint),
        ("Run", notification.run_id),
        ("Time", notification.at.isoformat(timespec="seconds")),
    )
    return [(name, value) for name, value in said if value]
