"""Which time of a monitor's trigger a run is started for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.monitors.schedule import latest_due, missed
from shared.monitors.scheduling import decide_start, scheduled_run_id
from shared.resources.monitor_status import MonitorStatus
from shared.resources.schedule import Trigger

TRIGGERS: TypeAdapter[Trigger] = TypeAdapter(Trigger)
DAILY: dict[str, Any] = {"type": "cron", "expression": "0 3 * * *"}
APPLIED = datetime(2026, 11, 20, 12, tzinfo=UTC)


def declaration(trigger: dict[str, Any]) -> dict[str, Any]:
    return {"name": "watch", "trigger": trigger, "create_monitor": {"compute": {"instance_type": "s"}}}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_time_starts_one_run_and_the_next_time_the_next() -> None:
    first = decide_start("watch", declaration(DAILY), MonitorStatus(), APPLIED, at(21, 3))
    assert (first.due_at, first.status.last_started_run) == (at(21, 3), scheduled_run_id("watch", at(21, 3)))
    again = decide_start("watch", declaration(DAILY), first.status, at(21, 3), at(22, 2, 59))
    assert (again.due_at, again.status) == (None, first.status)
    assert decide_start("watch", declaration(DAILY), again.status, at(21, 3), at(22, 4)).due_at == at(22, 3)


def test_after_an_outage_only_the_latest_time_is_run() -> None:
    start = decide_start("watch", declaration(DAILY), MonitorStatus(), APPLIED, at(26, 11))
    assert start.due_at == at(26, 3)
    assert decide_start("watch", declaration(DAILY), start.status, APPLIED, at(26, 12)).due_at is None


def test_times_before_it_was_declared_start_nothing_and_a_change_elsewhere_loses_none() -> None:
    seen = decide_start("watch", declaration(DAILY), MonitorStatus(), at(21, 4), at(21, 5))
    assert seen.due_at is None
    tags_changed = at(22, 3, 10)  # after the time that is due, before it was looked at
    assert decide_start("watch", declaration(DAILY), seen.status, tags_changed, at(22, 3, 11)).due_at == at(22, 3)
    earlier = {"type": "cron", "expression": "0 1 * * *"}
    assert decide_start("watch", declaration(earlier), seen.status, tags_changed, at(22, 3, 11)).due_at is None


def test_what_is_disabled_starts_nothing() -> None:
    assert decide_start("watch", declaration(DAILY), MonitorStatus(disabled=True), APPLIED, at(26, 11)).due_at is None


def test_start_end_and_zone_are_kept() -> None:
    said = {**DAILY, "start_time": "2026-11-22T00:00:00", "end_time": "2026-11-24T12:00:00", "time_zone": "Asia/Tokyo"}
    trigger = TRIGGERS.validate_python(said)
    assert latest_due(trigger, APPLIED, at(21, 12)) is None
    assert latest_due(trigger, APPLIED, at(23, 12)) == at(22, 18)
    assert latest_due(trigger, APPLIED, at(30, 12)) == at(23, 18)  # the 24th at 3 in Tokyo


@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "15 3 * * *", "0 0 1 * *", "30 6 * * 1"]),
    st.integers(0, 60 * 24 * 45),
    st.integers(0, 60 * 24 * 2),
)
def test_the_latest_is_the_last_of_all(expression: str, start_min: int, length_min: int) -> None:
    trigger = TRIGGERS.validate_python({"type": "cron", "expression": expression})
    begin = APPLIED + timedelta(minutes=start_min, seconds=30)
    end = begin + timedelta(minutes=length_min)
    every = missed(trigger, begin, end, 10_000)
    assert latest_due(trigger, begin, end) == (every[-1] if every else None)
