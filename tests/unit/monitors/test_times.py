"""When monitors run, and which times they look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.errors import Invalid
from shared.monitors.collected_layout import folders_of, is_needed
from shared.monitors.schedule import due_times, next_due
from shared.monitors.windows import Window, production_window, reference_window
from shared.resources.monitor_data import DataWindow
from shared.resources.schedule import Trigger

TRIGGER: TypeAdapter[Any] = TypeAdapter(Trigger)


def trigger(**said: Any) -> Any:
    return TRIGGER.validate_python(said)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(**more: Any) -> Any:
    return trigger(type="recurrence", frequency="day", interval=1, **more)


@pytest.mark.parametrize(
    ("said", "after", "due"),
    [
        ({"type": "cron", "expression": "15 3 * * *"}, "2026-11-01T03:15", "2026-11-02T03:15"),
        (
            {"type": "cron", "expression": "15 3 * * *", "time_zone": "Pacific Standard Time"},
            "2026-11-02T00:00",
            "2026-11-02T11:15",
        ),
        (
            {"type": "recurrence", "frequency": "day", "interval": 1, "schedule": {"hours": [3, 15], "minutes": 15}},
            "2026-11-01T03:15",
            "2026-11-01T15:15",
        ),
        (
            {"type": "recurrence", "frequency": "day", "interval": 7, "start_time": "2026-11-01T10:00:00"},
            "2026-11-01T10:00",
            "2026-11-08T10:00",
        ),
        ({"type": "recurrence", "frequency": "minute", "interval": 10}, "2026-11-01T00:03", "2026-11-01T00:10"),
        (
            {
                "type": "recurrence",
                "frequency": "week",
                "interval": 1,
                "schedule": {"hours": 6, "minutes": 0, "week_days": ["monday", "friday"]},
            },
            "2026-11-24T00:00",
            "2026-11-27T06:00",
        ),
        (
            {
                "type": "recurrence",
                "frequency": "month",
                "interval": 1,
                "schedule": {"hours": 0, "minutes": 0, "month_days": -1},
            },
            "2026-02-01T00:00",
            "2026-02-28T00:00",
        ),
        (
            {"type": "recurrence", "frequency": "hour", "interval": 2, "start_time": "2027-01-01T01:00:00"},
            "2026-11-01T00:00",
            "2027-01-01T01:00",
        ),
    ],
)
def test_when_a_trigger_is_due(said: dict[str, Any], after: str, due: str) -> None:
    assert next_due(trigger(**said), at(after)) == at(due)


def test_a_trigger_that_has_ended_is_not_due() -> None:
    assert next_due(daily(end_time="2026-11-01T00:00:00"), at("2026-11-01T00:00")) is None


def test_an_unknown_zone_and_a_day_that_never_comes_are_refused() -> None:
    with pytest.raises(Invalid, match="no time zone 'Mars'"):
        next_due(daily(time_zone="Mars"), at("2026-11-01T00:00"))
    with pytest.raises(Invalid, match="never comes"):
        next_due(trigger(type="cron", expression="0 0 31 2 *"), at("2026-11-01T00:00"))


def test_due_times_are_bounded() -> None:
    times = due_times(daily(), at("2026-11-01T12:00"), at("2026-11-20T12:00"), 3)
    assert times == [at("2026-11-02T00:00"), at("2026-11-03T00:00"), at("2026-11-04T00:00")]


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["minute", "hour", "day", "week", "month"]),
    st.integers(1, 12),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific Standard Time"]),
)
def test_a_trigger_is_due_after_now_and_at_the_same_times_from_anywhere_before(
    now: datetime, frequency: str, interval: int, zone: str
) -> None:
    said = trigger(type="recurrence", frequency=frequency, interval=interval, time_zone=zone)
    after = now.replace(tzinfo=UTC)
    due = next_due(said, after)
    assert due is not None
    assert due > after
    between = after + (due - after) / 2
    assert next_due(said, between) == due


def test_windows_have_azure_mls_sizes_and_the_reference_never_overlaps() -> None:
    now = at("2026-11-10T03:15")
    production = production_window(None, daily(), now)
    assert production == Window(at("2026-11-09T03:15"), now)
    assert reference_window(None, daily(), production, now) == Window(at("2026-11-07T03:15"), production.start)
    rolling = DataWindow(lookback_window_size="P5D")
    assert reference_window(rolling, daily(), production, now).end == production.start
    cron = trigger(type="cron", expression="0 0 * * *")
    assert production_window(None, cron, now).start == now - timedelta(days=7)


def test_windows_can_be_shifted_and_fixed() -> None:
    now = at("2026-11-10T00:00")
    shifted = DataWindow(lookback_window_size="PT6H", lookback_window_offset="P1D")
    assert production_window(shifted, daily(), now) == Window(at("2026-11-08T18:00"), at("2026-11-09T00:00"))
    fixed = DataWindow(window_start="2026-01-01T00:00:00+02:00", window_end="2026-02-01")
    assert production_window(fixed, daily(), now) == Window(at("2025-12-31T22:00"), at("2026-02-01T00:00"))


@pytest.mark.parametrize(
    "said",
    [
        DataWindow(lookback_window_size="7 days"),
        DataWindow(lookback_window_size="-P1D"),
        DataWindow(lookback_window_size="P0D"),
        DataWindow(window_start="2026-01-01"),
        DataWindow(window_start="2026-01-02", window_end="2026-01-01"),
        DataWindow(window_start="soon", window_end="2026-01-01"),
    ],
)
def test_wrong_windows_are_refused(said: DataWindow) -> None:
    with pytest.raises(Invalid):
        production_window(said, daily(), at("2026-11-10T00:00"))


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("2026/11/09/05/i.jsonl", True),
        ("2026/11/09/02/i.jsonl", False),
        ("2026/11/09/03/i.jsonl", True),  # its second half
        ("2026/11/09/07/i.jsonl", True),  # written late
        ("2026/11/09/08/i.jsonl", False),
        ("2026/11/09/i.jsonl", True),  # rolled by the day
        ("2026/11/09/05/59/i.jsonl", True),  # rolled by the minute
        ("2026/11/09/05/i.csv", False),
        ("2026/13/09/05/i.jsonl", False),
        ("notes/i.jsonl", False),
    ],
)
def test_which_files_a_window_needs(path: str, needed: bool) -> None:
    window = Window(at("2026-11-09T03:30"), at("2026-11-09T07:00"))
    assert is_needed(path, window) == needed


def test_folders_reach_over_midnight() -> None:
    window = Window(at("2026-12-31T23:30"), at("2026-12-31T23:45"))
    assert list(folders_of(window)) == ["2026/12/31", "2027/01/01"]


@pytest.mark.parametrize(
    "said",
    [
        {"type": "cron", "expression": "0 6 * * *"},
        {"type": "recurrence", "frequency": "day", "interval": 2},
        {"type": "recurrence", "frequency": "hour", "interval": 36},
    ],
)
def test_times_before_the_start_are_those_that_would_have_been(said: dict[str, Any]) -> None:
    early = {**said, "start_time": "2026-11-01T06:00:00"}
    late = {**said, "start_time": "2026-11-19T06:00:00", "end_time": "2026-11-20T00:00:00"}
    span = (at("2026-11-05T12:00"), at("2026-11-15T12:00"), 100)
    expected = due_times(TRIGGER.validate_python(early), *span)
    assert len(expected) >= 5
    assert due_times(TRIGGER.validate_python(late), *span, bounded=False) == expected
    assert due_times(TRIGGER.validate_python(late), *span) == []
