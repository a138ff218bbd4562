"""When breaches are announced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.monitors.alerting import ITSELF, Judged, Observation, decide, decide_all, severity_of
from shared.resources.alerts import ALERT_TRANSITIONS, AlertPhase, AlertPolicy, AlertState, Announcement, Severity
from shared.resources.monitor_result import FeatureResult, MetricValue, MonitorResult, SignalResult, Verdict

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CODES = {
    "h": (Verdict.HEALTHY, Severity.NONE),
    "w": (Verdict.BREACHED, Severity.WARNING),
    "c": (Verdict.BREACHED, Severity.CRITICAL),
    "n": (Verdict.NOT_ENOUGH_DATA, Severity.NONE),
    "f": (Verdict.FAILED, Severity.NONE),
}


def told(runs: str, policy: AlertPolicy, every_h: int = 24) -> list[str]:
    """What is announced after each run, of which there is one a day."""
    state, found = AlertState(), []
    for number, code in enumerate(runs):
        verdict, severity = CODES[code]
        at = NOON + timedelta(hours=every_h * number)
        seen = Observation(Judged(f"r-{number}", at, at, at), verdict, severity)
        decision = decide(state, seen, policy)
        if decision.state.phase != state.phase:
            assert decision.state.phase in ALERT_TRANSITIONS[state.phase]
        state = decision.state
        found.append(decision.announcement.value if decision.announcement else "")
        assert decide(state, seen, policy) == decision, "judging a run again tells the same"
    return found


@pytest.mark.parametrize(
    ("runs", "policy", "expected"),
    [
        ("hwwh", AlertPolicy(), ["", "Raised", "Repeated", "Resolved"]),
        ("wwcw", AlertPolicy(cool_down_s=10 * 86400), ["Raised", "", "Escalated", ""]),
        ("wwww", AlertPolicy(consecutive_breaches=3, cool_down_s=1e9), ["", "", "Raised", ""]),
        ("wwhww", AlertPolicy(consecutive_breaches=2, cool_down_s=1e9), ["", "Raised", "Resolved", "", ""]),
        ("wnwfw", AlertPolicy(consecutive_breaches=3), ["", "", "", "", "Raised"]),
        ("wnn", AlertPolicy(), ["Raised", "", ""]),
        ("whw", AlertPolicy(cool_down_s=3 * 86400), ["Raised", "Resolved", ""]),
        ("wc", AlertPolicy(minimum_severity=Severity.CRITICAL), ["", "Raised"]),
        ("", AlertPolicy(), []),
    ],
)
def test_what_is_announced(runs: str, policy: AlertPolicy, expected: list[str]) -> None:
    assert told(runs, policy) == expected


def test_what_flaps_within_the_cool_down_is_announced_when_it_is_over() -> None:
    assert told("whwww", AlertPolicy(cool_down_s=4 * 86400)) == ["Raised", "Resolved", "", "", "Raised"]


def signal(*values: MetricValue) -> SignalResult:
    return SignalResult(
        name="s", type="data_drift", features=[FeatureResult(name="x", type="numerical", metrics=[*values])]
    )


@pytest.mark.parametrize(
    ("value", "threshold", "direction", "unit", "severity"),
    [
        (0.15, 0.1, "above", "", Severity.WARNING),
        (0.2, 0.1, "above", "", Severity.CRITICAL),
        (0.4, 0.9, "below", "", Severity.CRITICAL),
        (0.8, 0.9, "below", "", Severity.WARNING),
        (1e-9, 0.05, "below", "p-value", Severity.WARNING),
        (0.3, 0.0, "above", "", Severity.WARNING),
    ],
)
def test_how_bad_a_breach_is(value: float, threshold: float, direction: str, unit: str, severity: Severity) -> None:
    metric = MetricValue.model_validate(
        {
            "metric": "m",
            "value": value,
            "threshold": threshold,
            "direction": direction,
            "unit": unit,
            "verdict": "Breached",
        }
    )
    assert severity_of(signal(metric), 2.0) == severity
    assert severity_of(signal(), 2.0) == Severity.NONE


def run(name: str, due_h: int, asked_h: int | None = None) -> Judged:
    """One that is judged now, was asked for at `asked_h` and looks back from `due_h`."""
    hours = [timedelta(hours=h) for h in (30, due_h if asked_h is None else asked_h, due_h)]
    return Judged(name, *(NOON + each for each in hours))


def test_of_runs_at_once_one_announces() -> None:
    first = decide(AlertState(), Observation(run("a", 0), *CODES["w"]), AlertPolicy())
    assert first.announcement == Announcement.RAISED
    beside = decide(first.state, Observation(run("b", 1, asked_h=29), *CODES["w"]), AlertPolicy())
    assert (beside.announcement, beside.state.breaches) == (None, 2)
    later = decide(beside.state, Observation(run("c", 2, asked_h=31), *CODES["w"]), AlertPolicy())
    assert later.announcement == Announcement.REPEATED


def test_a_run_of_an_earlier_time_changes_nothing() -> None:
    first = decide(AlertState(), Observation(run("a", 24), *CODES["w"]), AlertPolicy())
    late = decide(first.state, Observation(run("b", 23), *CODES["h"]), AlertPolicy())
    assert (late.announcement, late.state) == (None, first.state)


BREACH = MetricValue(metric="m", value=1, threshold=0.1, verdict=Verdict.BREACHED)


def result(*metrics: MetricValue, reason: str = "") -> MonitorResult:
    one = signal(*metrics) if metrics else SignalResult(name="s", type="data_drift", reason=reason)
    return MonitorResult(monitor="m", run_id="r", created_at=NOON, signals=[one])


def test_only_signals_that_alert_are_judged() -> None:
    assert set(decide_all({}, run("r", 0), result(BREACH), (), AlertPolicy())) == {ITSELF}
    found = decide_all({"gone": AlertState()}, run("r", 0), result(BREACH), ("s", "t"), AlertPolicy())
    assert {name: one.state.phase for name, one in found.items()} == {"s": AlertPhase.FIRING, ITSELF: AlertPhase.QUIET}


def test_a_run_that_fails_is_announced_until_one_ends_well_and_keeps_what_is_known_of_signals() -> None:
    policy = AlertPolicy(cool_down_s=1e9, minimum_severity=Severity.CRITICAL)
    before = {"s": AlertState(phase=AlertPhase.FIRING, severity=Severity.CRITICAL)}
    first = decide_all(before, run("a", 0), None, (), policy)
    assert (first[ITSELF].announcement, first["s"].state) == (Announcement.RAISED, before["s"])
    states = {name: one.state for name, one in first.items()}
    second = decide_all(states, run("b", 1, asked_h=31), result(reason="no common columns"), ("s",), policy)
    assert second[ITSELF].announcement is None
    assert second["s"].announcement is None
    states = {name: one.state for name, one in second.items()}
    assert decide_all(states, run("c", 2, asked_h=31), result(BREACH), (), policy)[ITSELF].announcement == "Resolved"
