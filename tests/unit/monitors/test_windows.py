"""Windows of collected data: what arrivals, waiting and reading make of them, and which sketches stand for files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from shared.controllers.collection_window import CONTROLLER
from shared.monitors.collected_layout import folder_of, place_of, window_of
from shared.monitors.window_choice import choose
from shared.monitors.window_decision import arrived, begun, ended, next_look_s, read, waits_s
from shared.monitors.windows import Window
from shared.resources.build import StoredText
from shared.resources.collection_window import (
    WINDOW_TERMINAL,
    WINDOW_TRANSITIONS,
    CollectedFile,
    CollectionWindowStatus,
    StoredWindow,
    WindowFacts,
    WindowFound,
    WindowOutcome,
    WindowPhase,
)
from shared.resources.monitor_result import DataCounts

END = datetime(2026, 11, 27, 5, tzinfo=UTC)
SETTLE = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)
TEXT = StoredText(sha256="a" * 64, size_bytes=1)
STORED = StoredWindow(facts=TEXT, ids=TEXT, sketches={"b": TEXT})


def status(phase: WindowPhase, **more: Any) -> CollectionWindowStatus:
    return CollectionWindowStatus(phase=phase, started_at=END, listed_at=END + MINUTE, **more)


def outcomes(before: CollectionWindowStatus) -> list[CollectionWindowStatus]:
    """Everything that the decisions make of a status, whatever happens."""
    found = [arrived(before, at, END + 2 * SETTLE, SETTLE) for at in (END - SETTLE, END + 9 * MINUTE)]
    if before.phase is WindowPhase.PENDING:
        found += [begun(before, [], END), begun(before, [TEXT], END), ended(before, WindowPhase.FAILED, END, "no")]
    if before.phase is WindowPhase.SKETCHING:
        found += [read(before, WindowOutcome(stored=one, listed_at=END), END) for one in (None, STORED)]
        found.append(ended(before, WindowPhase.FAILED, END, "no"))
    return [one for one in found if one is not None]


@pytest.mark.parametrize(("phase", "more"), list(product(WindowPhase, (False, True))))
def test_every_change_of_phase_is_one_of_the_table(phase: WindowPhase, more: bool) -> None:
    seen = {one.phase for one in outcomes(status(phase, more_arrived=more))} - {phase}
    assert seen <= WINDOW_TRANSITIONS[phase]
    if not more:
        assert seen | ({WindowPhase.PENDING} if phase is WindowPhase.SKETCHING else set()) == WINDOW_TRANSITIONS[phase]


@pytest.mark.parametrize(("one", "other"), list(product(WindowPhase, WindowPhase)))
def test_the_table_leads_from_each_end_back_and_to_an_end(one: WindowPhase, other: WindowPhase) -> None:
    allowed = other in WINDOW_TRANSITIONS[one]
    if one in WINDOW_TERMINAL:
        assert allowed == (other is WindowPhase.PENDING)
    else:
        assert not allowed or one is not other
    assert CONTROLLER.stalled_phase(one) == (one if one in {WindowPhase.SKETCHED, WindowPhase.UNUSED} else "Failed")


def test_the_first_arrival_makes_a_window_and_the_next_ones_change_nothing() -> None:
    first = arrived(None, END - 9 * MINUTE, END - 8 * MINUTE, SETTLE)
    assert first is not None
    assert (first.phase, arrived(first, END, END, SETTLE)) == (WindowPhase.PENDING, None)


def test_what_is_heard_again_late_or_out_of_order_changes_nothing() -> None:
    for phase in WINDOW_TERMINAL:
        assert arrived(status(phase), END - SETTLE, END + 2 * SETTLE, SETTLE) is None
    assert arrived(status(WindowPhase.SKETCHING), END - SETTLE - MINUTE, END, SETTLE) is None


def test_what_comes_after_the_listing_makes_the_window_stale_and_its_sketch_stays_until_there_is_another() -> None:
    stale = arrived(status(WindowPhase.SKETCHED, stored=STORED), END + MINUTE, END + 2 * MINUTE, SETTLE)
    assert stale is not None
    assert (stale.phase, stale.stored, stale.arrived_at) == (WindowPhase.PENDING, STORED, END + 2 * MINUTE)


def test_what_comes_while_rows_are_read_is_read_afterwards() -> None:
    noted = arrived(status(WindowPhase.SKETCHING), END + MINUTE, END + MINUTE, SETTLE)
    assert noted is not None
    assert arrived(noted, END + 2 * MINUTE, END + 2 * MINUTE, SETTLE) is None
    after = read(noted, WindowOutcome(stored=STORED, listed_at=END), END + MINUTE)
    assert (after.phase, after.more_arrived, after.stored) == (WindowPhase.PENDING, False, STORED)


def test_files_that_changed_while_they_were_read_are_read_again() -> None:
    after = read(status(WindowPhase.SKETCHING, stored=STORED), WindowOutcome(listed_at=END), END)
    assert (after.phase, after.stored) == (WindowPhase.PENDING, STORED)


def test_a_window_waits_for_its_end_and_for_what_came_late_to_settle() -> None:
    early, late = (
        status(WindowPhase.PENDING, arrived_at=END - MINUTE),
        status(WindowPhase.PENDING, arrived_at=END + SETTLE),
    )
    assert waits_s(early, END, END - MINUTE, SETTLE) == 360
    assert waits_s(early, END, END + SETTLE, SETTLE) == 0
    assert waits_s(late, END, END + SETTLE, SETTLE) == 300
    assert waits_s(late, END, END, timedelta(0)) == 0


def test_a_window_that_takes_long_is_looked_at_ever_less() -> None:
    read_since = status(WindowPhase.SKETCHING)
    assert [next_look_s(read_since, END + timedelta(seconds=s)) for s in (0, 3, 40, 9000)] == [1, 1, 10, 60]


def test_each_reading_has_its_own_name() -> None:
    first = begun(status(WindowPhase.PENDING), [TEXT], END)
    again = begun(first, [TEXT], END)
    assert (first.attempt, again.attempt, first.baselines) == (1, 2, [TEXT])


@pytest.mark.parametrize(
    ("path", "folder", "hours"),
    [
        ("2026/11/27/04/i.jsonl", "2026/11/27/04", 1),
        ("2026/11/27/04/59/i.jsonl", "2026/11/27/04", 1),
        ("2026/11/27/i.jsonl", "2026/11/27", 24),
    ],
)
def test_files_lie_in_windows(path: str, folder: str, hours: int) -> None:
    assert place_of(f"live/blue/model_inputs/{path}") == ("live/blue/model_inputs", path)
    window = window_of(folder_of(path))
    assert (folder_of(path), window.end - window.start) == (folder, timedelta(hours=hours))


@pytest.mark.parametrize(
    "path", ["a.jsonl", "live/blue/model_inputs/x.jsonl", "a/b/c/2026/13/01/00/i.jsonl", "a/b/c/d.csv"]
)
def test_other_files_lie_in_none(path: str) -> None:
    assert place_of(path) is None


def file(hour: int, name: str = "i", etag: str = "1") -> CollectedFile:
    return CollectedFile(path=f"2026/11/27/{hour:02}/{name}.jsonl", size_bytes=9, etag=etag)


def facts(*files: CollectedFile, first: datetime | None = None, last: datetime | None = None) -> WindowFacts:
    found = WindowFound(columns={}, counts=DataCounts(), first=first, last=last)
    return WindowFacts(files=list(files), listed_at=END, found=found)


def at(hour: float) -> datetime:
    return datetime(2026, 11, 27, tzinfo=UTC) + timedelta(hours=hour)


def test_a_sketch_stands_for_exactly_the_files_that_it_is_of() -> None:
    span = {"first": at(1), "last": at(1.9)}
    known = {"2026/11/27/01": facts(file(1), file(1, "j"), **span)}
    window = Window(at(1), at(2))
    assert choose([file(1), file(1, "j")], known, window).sketched == {"2026/11/27/01": False}
    for there in ([file(1)], [file(1), file(1, "j", "2")], [file(1), file(1, "j"), file(1, "k")]):
        chosen = choose(there, known, window)
        assert (chosen.sketched, chosen.files, chosen.outdated) == ({}, there, ["2026/11/27/01"])
    asked = choose([file(1), file(1, "j")], known, window, {"2026/11/27/01"})
    assert (asked.sketched, asked.outdated) == ({}, [])
    assert choose([], known, window).sketched == {}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1, 2, False),
        (1.5, 2, None),  # begins within the hour
        (1, 1.9, None),  # the last row is at the end, which is not within
        (1, 1.91, False),
        (2, 3, True),  # the hour before: all rows are outside
        (0, 1, True),  # the hour after
    ],
)
def test_a_sketch_stands_for_rows_on_one_side_of_the_edges(start: float, end: float, expected: bool | None) -> None:
    known = {"2026/11/27/01": facts(file(1), first=at(1), last=at(1.9))}
    found = choose([file(1)], known, Window(at(start), at(end)))
    assert found.sketched.get("2026/11/27/01") is expected
    assert bool(found.files) == (expected is None)
