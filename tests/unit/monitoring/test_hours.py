"""Sketches of hours in the place of their rows: the same result, whatever the hours hold."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.monitoring import sketch
from shared.monitoring.hours import hashes_of, sharing
from shared.resources.monitor_request import DataFile, DataSet
from shared.resources.monitor_result import MonitorResult
from tests.unit.monitoring.collected_hours import DAY, Hours, event

SIGNALS: list[dict[str, Any]] = [
    {"type": "data_drift"},
    {"type": "data_quality"},
    {"type": "data_drift", "features": ["x", "few"]},
]
RNG = np.random.default_rng(20261127)


def row(shift: float = 0.0) -> dict[str, Any]:
    """A request's row, with the oddities of real ones."""
    found: dict[str, Any] = {
        "x": float(RNG.normal(shift)),
        "money": float(RNG.lognormal(10, 3)),
        "few": int(RNG.integers(0, 5)),
        "many": int(RNG.integers(0, 10**9)),
        "site": str(RNG.choice(["north", "south", "østre", ""], p=[0.5, 0.3, 0.1, 0.1])),
        "is_new": bool(RNG.random() < 0.2),
        "seen": (DAY - timedelta(days=float(RNG.exponential(9)))).isoformat(),
    }
    for name in list(found):
        if RNG.random() < 0.03:
            found[name] = None
        if RNG.random() < 0.02:
            del found[name]
    if RNG.random() < 0.01:
        found["x"] = str(RNG.choice(["n/a", "7.5", "much"]))
    return found


@pytest.fixture
def hours(tmp_path: Path) -> Hours:
    rows = tmp_path / "baseline.jsonl"
    rows.write_text("".join(json.dumps(row()) + "\n" for _ in range(800)))
    data = DataSet(files=[DataFile(path=str(rows), format="jsonl")])
    (tmp_path / "data.json").write_text(data.model_dump_json())
    assert sketch.main([str(tmp_path / "data.json"), str(tmp_path / "baseline.sketch")]) == 0
    return Hours(tmp_path, tmp_path / "baseline.sketch")


def plain(hour: int, count: int = 60, *, prefix: str = "r", shift: float = 0.3) -> list[str]:
    step = timedelta(hours=1) / count
    start = DAY + timedelta(hours=hour)
    return [event(f"{prefix}{hour}-{number}", start + number * step, row(shift)) for number in range(count)]


def compared(hours: Hours, start: float, end: float, signals: list[dict[str, Any]] = SIGNALS) -> MonitorResult:
    """What the run finds with sketches, after it was compared with what it finds in the rows."""
    read, found = hours.run(signals, start, end, sketched=False), hours.run(signals, start, end)
    same(read.model_dump(), found.model_dump(), "")
    assert all(one.counts.sketched_rows == 0 for one in read.signals)
    return found


def same(one: Any, other: Any, where: str) -> None:
    """Equal, numbers that are no counts to 1e-12; `sketched_rows` is what differs."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            if name != "sketched_rows":
                same(one[name], other[name], f"{where}/{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            same(first, second, f"{where}/{place}")
    elif isinstance(one, float) and isinstance(other, float):
        assert other == pytest.approx(one, rel=1e-12, abs=1e-12), where
    else:
        assert one == other, where


def test_a_day_of_sketched_hours_is_what_its_rows_are(hours: Hours) -> None:
    for hour in range(6):
        hours.write(hour, plain(hour))
        hours.write(hour, plain(hour, 20, prefix="other"), "other.jsonl")
        hours.sketch(hour)
    found = compared(hours, 0, 6)
    for signal in found.signals:
        assert (signal.counts.rows, signal.counts.sketched_rows, signal.counts.files) == (480, 480, 12)
    drifted = {one.name: one for one in found.signals[0].features}
    assert drifted["x"].metrics[0].value == pytest.approx(0.3, abs=0.15)


def test_hours_at_the_edges_and_hours_without_a_sketch_are_read(hours: Hours) -> None:
    for hour in range(5):
        hours.write(hour, plain(hour))
        if hour != 2:
            hours.sketch(hour)
    counts = compared(hours, 0.5, 4.25).signals[0].counts
    assert (counts.rows, counts.sketched_rows, counts.outside_rows) == (30 + 180 + 15, 120, 30 + 45)


def test_late_corrupt_and_repeated_lines_are_counted_as_the_rows_count_them(hours: Hours) -> None:
    for hour in range(4):
        lines = plain(hour)
        lines += [
            lines[3],
            "{",
            "[]",
            event(f"none-{hour}", DAY, 7),
            f'{{"id": "x{hour}", "data": [{{}}]}}',
            "",
            lines[5],
        ]
        hours.write(hour, lines)
    hours.write(2, [event("late", DAY + timedelta(hours=1.5), row())])
    for hour in range(4):
        hours.sketch(hour)
    counts = compared(hours, 0, 4).signals[0].counts
    assert counts.model_dump(exclude={"files"}) == {
        "rows": 241, "sketched_rows": 241, "corrupt_lines": 16, "duplicate_lines": 8, "late_rows": 1,
        "outside_rows": 0,
    }  # fmt: skip


def test_an_hour_with_rows_from_before_the_window_is_read_and_one_all_outside_is_not(hours: Hours) -> None:
    for hour in range(4):
        hours.write(hour, plain(hour))
    hours.write(1, [event("late", DAY + timedelta(hours=0.9), row())])
    for hour in range(4):
        hours.sketch(hour)
    counts = compared(hours, 1, 3).signals[0].counts
    assert (counts.rows, counts.sketched_rows) == (120, 60)
    assert (counts.outside_rows, counts.late_rows, counts.files) == (1 + 60, 1, 3)


def test_an_id_of_two_hours_counts_once_wherever_it_is(hours: Hours) -> None:
    """The rows of both hours are read then: which of the two lines counts, their order says."""
    for hour in range(6):
        hours.write(hour, plain(hour))
    hours.write(3, [event("r1-7", DAY + timedelta(hours=3.5), row(9.0))])  # of two sketched hours
    hours.write(5, [event("r0-2", DAY + timedelta(hours=5.5), row(9.0))])  # of a sketched hour and one that is read
    for hour in range(5):
        hours.sketch(hour)
    counts = compared(hours, 0, 6).signals[0].counts
    assert (counts.rows, counts.duplicate_lines, counts.sketched_rows) == (360, 2, 120)


def test_one_correlation_id_in_two_hours_is_two_requests(hours: Hours) -> None:
    for hour in range(2):
        said = json.loads(event(f"event-{hour}", DAY + timedelta(hours=hour), row()))
        hours.write(hour, [*plain(hour), json.dumps({**said, "correlationid": "the same"})])
        hours.sketch(hour)
    counts = compared(hours, 0, 2).signals[0].counts
    assert (counts.rows, counts.duplicate_lines, counts.sketched_rows) == (122, 0, 122)


def test_a_file_that_grew_or_came_after_the_sketch_is_read_with_its_hour(hours: Hours) -> None:
    for hour in range(3):
        hours.write(hour, plain(hour))
        hours.sketch(hour)
    hours.write(0, [event("grown", DAY + timedelta(hours=0.99), row())])
    hours.write(1, [event("new", DAY + timedelta(hours=1.99), row())], "another.jsonl")
    counts = compared(hours, 0, 3).signals[0].counts
    assert (counts.rows, counts.sketched_rows) == (182, 60)


def test_hours_may_hold_nothing_new_columns_and_other_types(hours: Hours) -> None:
    hours.write(0, plain(0))
    hours.write(1, ["{", "nothing"])
    hours.write(
        2, [event(f"t{n}", DAY + timedelta(hours=2, seconds=n), {"x": "a", "few": 0.5, "new": 1}) for n in range(60)]
    )
    hours.write(
        3, [event(f"u{n}", DAY + timedelta(hours=3, seconds=n), {"site": {"a": 1}, "seen": 5}) for n in range(60)]
    )
    for hour in range(4):
        hours.sketch(hour)
    assert compared(hours, 0, 4).signals[0].counts.sketched_rows == 180


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_to_a_collection_the_result_is_that_of_its_rows(hours: Hours, seed: int) -> None:
    draw = random.Random(seed)
    for number in range(5 * 40):
        hour = draw.choice(range(5))
        when = DAY + timedelta(hours=hour + draw.random() - (draw.random() < 0.02) * draw.choice((0.5, 1, 3)))
        lines = [
            event(draw.choice((number, f"{number}{hour}")), when, *(row(0.2) for _ in range(draw.choice((1, 1, 2)))))
        ]
        lines += [lines[0]] * (draw.random() < 0.02) + ["{"] * (draw.random() < 0.02)
        hours.write(hour, lines, draw.choice(("a.jsonl", "b.jsonl")))
        if draw.random() < 0.01:  # to another hour, too
            hours.write(draw.choice(range(5)), lines[:1])
    for hour in range(5):
        if draw.random() < 0.8:
            hours.sketch(hour)
    hours.write(draw.choice(range(5)), [event("after", DAY, row())], "after.jsonl")
    start = draw.choice((0, 0, 0.5, 1))
    compared(hours, start, draw.choice((3, 4.5, 5)))


def test_signals_that_need_rows_read_them(hours: Hours) -> None:
    for hour in range(2):
        hours.write(hour, plain(hour))
        hours.sketch(hour)
    segment = {"production": {"window_start": DAY, "window_end": DAY + timedelta(hours=2), "segment_column": "site",
                              "segment_values": ["north"]}}  # fmt: skip
    found = compared(hours, 0, 2, [{"type": "data_drift", **segment}, {"type": "data_drift"}])
    assert found.signals[0].counts.sketched_rows == 0
    assert found.signals[0].counts.rows < 120


def test_the_most_important_features_are_known_by_the_columns_of_sketched_hours(hours: Hours) -> None:
    for hour in range(2):
        hours.write(hour, plain(hour))
        hours.sketch(hour)
    training = {"files": [{"path": str(hours.folder / "baseline.jsonl"), "format": "jsonl"}]}
    most = {"type": "data_drift", "top_features": 2, "training": training, "columns": {"truth": "few"}}
    (found,) = compared(hours, 0, 2, [most]).signals
    assert (len(found.features), found.counts.sketched_rows) == (2, 120)


def test_which_hours_share_an_id() -> None:
    first, second, third = hashes_of(["a", "b"]), hashes_of(["c", "b"]), hashes_of(["d"])
    assert sharing([first, second, third], hashes_of([])) == [0, 1]
    assert sharing([first, third], hashes_of(["d"])) == [1]
    assert sharing([first, third], hashes_of(["e"])) == []
    assert len(hashes_of(["a", "a"])) == 1
