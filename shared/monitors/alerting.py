"""Whether a breach is announced: decide(state, observation, policy) -> what is so next; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.resources.alerts import AlertPhase, AlertPolicy, AlertState, Severity
from shared.resources.monitor_result import MetricValue, MonitorResult, SignalResult, Verdict

_WEIGHT = {Severity.NONE: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


class Announcement(StrEnum):
    """What people are told."""

    RAISED = "Raised"  # it breached often enough in a row
    ESCALATED = "Escalated"  # it was announced, and is worse now
    REPEATED = "Repeated"  # it breaches still, and the cool-down is over
    RESOLVED = "Resolved"  # what was announced is over


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run found of one signal."""

    run_id: str
    at: datetime
    verdict: Verdict
    severity: Severity = Severity.NONE


@dataclass(frozen=True, slots=True)
class Decision:
    """What is so next, and what is told; None: nothing."""

    state: AlertState
    announcement: Announcement | None = None


def decide(state: AlertState, seen: Observation, policy: AlertPolicy) -> Decision:
    """The next state. A run that was judged before tells the same again and changes nothing; one without enough data,
    or that failed, leaves everything as it is. What gets worse is told at once, whatever the cool-down."""
    if seen.run_id == state.run_id:
        return Decision(state, Announcement(state.kind) if state.kind else None)
    if seen.verdict in (Verdict.NOT_ENOUGH_DATA, Verdict.FAILED):
        return _next(state, seen, None)
    if seen.verdict == Verdict.HEALTHY or _WEIGHT[seen.severity] < _WEIGHT[policy.minimum_severity]:
        was_told = state.phase == AlertPhase.FIRING
        quiet = {"phase": AlertPhase.QUIET, "breaches": 0, "severity": Severity.NONE}
        return _next(state, seen, Announcement.RESOLVED if was_told else None, **quiet)
    return _breached(state, seen, policy)


def _breached(state: AlertState, seen: Observation, policy: AlertPolicy) -> Decision:
    breaches = state.breaches + 1
    if state.phase != AlertPhase.FIRING and breaches < policy.consecutive_breaches:
        return _next(state, seen, None, phase=AlertPhase.PENDING, breaches=breaches)
    cooled = state.announced_at is None or seen.at - state.announced_at >= timedelta(seconds=policy.cool_down_s)
    if state.phase == AlertPhase.FIRING:
        is_worse = _WEIGHT[seen.severity] > _WEIGHT[state.severity]
        told = Announcement.ESCALATED if is_worse else Announcement.REPEATED if cooled else None
    elif not cooled:
        return _next(state, seen, None, phase=AlertPhase.PENDING, breaches=breaches)
    else:
        told = Announcement.RAISED
    if told is None:
        return _next(state, seen, None, breaches=breaches)
    announced = {"phase": AlertPhase.FIRING, "severity": seen.severity, "announced_at": seen.at}
    return _next(state, seen, told, breaches=breaches, **announced)


def _next(state: AlertState, seen: Observation, told: Announcement | None, **changes: object) -> Decision:
    noted = {"run_id": seen.run_id, "kind": told.value if told else ""}
    return Decision(state.model_copy(update={**noted, **changes}), told)


def decide_all(
    states: Mapping[str, AlertState], result: MonitorResult, alerting: Iterable[str], at: datetime, policy: AlertPolicy
) -> dict[str, Decision]:
    """A decision for each signal of the result that alerts; {} for none. Signals that are gone are forgotten."""
    wanted = set(alerting)
    return {
        one.name: decide(
            states.get(one.name, AlertState()),
            Observation(result.run_id, at, one.verdict, severity_of(one, policy.critical_factor)),
            policy,
        )
        for one in result.signals
        if one.name in wanted
    }


def breached_metrics(signal: SignalResult) -> list[tuple[str, MetricValue]]:
    """What breached, with its feature ("" for the signal as a whole): the furthest beyond its threshold first."""
    found = [("", metric) for metric in signal.metrics]
    found += [(feature.name, metric) for feature in signal.features for metric in feature.metrics]
    beyond = [(name, metric) for name, metric in found if metric.verdict == Verdict.BREACHED]
    return sorted(beyond, key=lambda one: (-_times(one[1]), one[0], one[1].metric))


def severity_of(signal: SignalResult, critical_factor: float) -> Severity:
    """The worst of its breaches; NONE without any. A threshold of 0 has no factor: its breaches are warnings, and so
    are those of p-values, whose size says how sure a change is and not how large."""
    breaches = breached_metrics(signal)
    if not breaches:
        return Severity.NONE
    worst = max((_times(metric) for _, metric in breaches if metric.unit != "p-value"), default=1.0)
    return Severity.CRITICAL if worst >= critical_factor else Severity.WARNING


def _times(metric: MetricValue) -> float:
    """How many times beyond its threshold a value is; 1 where that cannot be said."""
    if metric.value is None or not metric.threshold:
        return 1.0
    if metric.direction == "above":
        return metric.value / metric.threshold
    return metric.threshold / metric.value if metric.value > 0 else float("inf")
