"""When breaches are announced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.monitors.alerting import Observation, decide, decide_all, severity_of
from shared.resources.alerts import ALERT_TRANSITIONS, AlertPhase, AlertPolicy, AlertState, Severity
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
        seen = Observation(f"r-{number}", NOON + timedelta(hours=every_h * number), verdict, severity)
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


def test_only_signals_that_alert_are_judged() -> None:
    breach = MetricValue(metric="m", value=1, threshold=0.1, verdict=Verdict.BREACHED)
    result = MonitorResult(monitor="m", run_id="r", created_at=NOON, signals=[signal(breach)])
    assert decide_all({}, result, (), NOON, AlertPolicy()) == {}
    found = decide_all({"gone": AlertState()}, result, ("s", "t"), NOON, AlertPolicy())
    assert {name: one.state.phase for name, one in found.items()} == {"s": AlertPhase.FIRING}
