"""Whether a breach is announced: decide(state, observation, policy) -> what is so next; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.resources.alerts import AlertPhase, AlertPolicy, AlertState, Announcement, Severity
from shared.resources.monitor_result import MetricValue, MonitorResult, SignalResult, Verdict

_WEIGHT = {Severity.NONE: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


ITSELF = ""  # in place of a signal's name: whether the runs of the monitor end well


@dataclass(frozen=True, slots=True)
class Judged:
    """The run that is judged."""

    run_id: str
    at: datetime  # now
    asked_at: datetime  # when it was begun
    due_at: datetime  # what its windows look back from


@dataclass(frozen=True, slots=True)
class Observation:
    """What a run found of one signal."""

    run: Judged
    verdict: Verdict
    severity: Severity = Severity.NONE


@dataclass(frozen=True, slots=True)
class Decision:
    """What is so next, and what is told; None: nothing."""

    state: AlertState
    announcement: Announcement | None = None


def decide(state: AlertState, seen: Observation, policy: AlertPolicy) -> Decision:
    """The next state. A run that was judged before tells the same again and changes nothing; one that looks back from
    an earlier time than what was judged last tells nothing: the present is known already. One without enough data, or
    that failed, leaves everything as it is. What gets worse is told at once, whatever the cool-down."""
    if seen.run.run_id == state.run_id:
        return Decision(state, Announcement(state.kind) if state.kind else None)
    if state.due_at is not None and seen.run.due_at < state.due_at:
        return Decision(state)
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
    cooled = state.announced_at is None or seen.run.at - state.announced_at >= timedelta(seconds=policy.cool_down_s)
    if state.phase == AlertPhase.FIRING:
        is_worse = _WEIGHT[seen.severity] > _WEIGHT[state.severity]
        is_news = cooled and (state.announced_at is None or seen.run.asked_at > state.announced_at)
        told = Announcement.ESCALATED if is_worse else Announcement.REPEATED if is_news else None
    elif not cooled:
        return _next(state, seen, None, phase=AlertPhase.PENDING, breaches=breaches)
    else:
        told = Announcement.RAISED
    if told is None:
        return _next(state, seen, None, breaches=breaches)
    announced = {"phase": AlertPhase.FIRING, "severity": seen.severity, "announced_at": seen.run.at}
    return _next(state, seen, told, breaches=breaches, **announced)


def _next(state: AlertState, seen: Observation, told: Announcement | None, **changes: object) -> Decision:
    noted = {"run_id": seen.run.run_id, "due_at": seen.run.due_at, "kind": told.value if told else ""}
    return Decision(state.model_copy(update={**noted, **changes}), told)


def decide_all(
    states: Mapping[str, AlertState],
    run: Judged,
    result: MonitorResult | None,
    alerting: Iterable[str],
    policy: AlertPolicy,
) -> dict[str, Decision]:
    """A decision for each signal of the result that alerts, and for the runs themselves (ITSELF): a run without a
    result, or with a signal that could not be calculated, did not end well. Signals that are gone are forgotten; where
    there is no result, all stay as they were."""
    failed = result is None or any(one.verdict == Verdict.FAILED for one in result.signals)
    verdict, severity = (Verdict.BREACHED, Severity.WARNING) if failed else (Verdict.HEALTHY, Severity.NONE)
    of_runs = policy.model_copy(update={"minimum_severity": Severity.WARNING})
    decided = {ITSELF: decide(states.get(ITSELF, AlertState()), Observation(run, verdict, severity), of_runs)}
    if result is None:
        return {**{name: Decision(state) for name, state in states.items()}, **decided}
    wanted = set(alerting)
    for one in result.signals:
        if one.name in wanted:
            seen = Observation(run, one.verdict, severity_of(one, policy.critical_factor))
            decided[one.name] = decide(states.get(one.name, AlertState()), seen, policy)
    return decided


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
