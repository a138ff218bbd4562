"""Lines put together from bytes are what serializing whole documents would give; files roll by the hour."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.scoring.collector.frames import Kept, frame_of, read, write
from shared.scoring.collector.lines import Hours, Rows, rows_of
from shared.scoring.collector.sinks import FolderSink

NAMES = st.lists(st.text(max_size=5), min_size=1, max_size=4, unique=True)


@given(st.data())
def test_fast_rows_are_the_slow_ones(data: st.DataObject) -> None:
    names = tuple(data.draw(NAMES))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int64", "bool"]))
    shape = (data.draw(st.integers(1, 4)), len(names))
    values = {"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else {}
    tensor = data.draw(arrays.arrays(dtype, shape, elements=arrays.from_dtype(np.dtype(dtype), **values)))
    fast = json.loads(Rows(names).json({"x": tensor}))
    slow = rows_of({"x": tensor}, names)
    assert [list(row) for row in fast] == [list(row) for row in slow]
    assert [np.array(list(row.values()), dtype=dtype).tolist() for row in fast] == tensor.tolist()


def test_nan_is_null() -> None:
    assert json.loads(Rows(()).json({"y": np.array([[np.nan], [1]], dtype=np.float32)})) == [{"y": None}, {"y": 1}]


def test_files_roll_by_the_hour_of_utc() -> None:
    hours = Hours("e", "d", "i")
    assert hours.path("c", 1763985599.999) == "e/d/c/2025/11/24/11/i.jsonl"
    assert hours.path("c", 1763985600.0) == "e/d/c/2025/11/24/12/i.jsonl"
    assert hours.time(1763985599.999) == b"2025-11-24T11:59:59.999Z"


def kept(feeds: dict[str, object], outputs: dict[str, object], name: str = "r") -> Kept:
    return Kept(1.0, name, "m", (), feeds, outputs, 10)


@pytest.mark.parametrize(
    "requests",
    [
        [({"x": np.ones((2, 3))}, {"y": np.zeros((2, 1))}), ({"x": np.ones((1, 3))}, {"y": np.zeros((1, 1))})],
        [({"x": np.ones((2, 3))}, {"y": np.zeros(2)}), ({"x": np.ones((2, 4))}, {"y": np.zeros(2)})],
        [({"x": np.ones((2, 3))}, {"y": [{1: 2}, {1: 3}]})],
        [({"x": np.ones((2, 3))}, {"y": np.zeros(())})],
        [({"x": np.array(["a", "b"], dtype=object)}, {"y": np.array(["c", "d"], dtype=object)})],
    ],
)
def test_frames_carry_every_request_apart(requests: list[tuple[dict[str, object], dict[str, object]]]) -> None:
    stream = io.BytesIO()
    write(stream, frame_of([kept(*each, name=str(index)) for index, each in enumerate(requests)]))
    content = stream.getvalue()
    frame = read(io.BytesIO(content))
    assert frame is not None
    assert frame.request_ids == [str(index) for index in range(len(requests))]
    for got, sent in zip(zip(frame.split(frame.feeds), frame.split(frame.outputs), strict=True), requests, strict=True):
        for tensors, expected in zip(got, sent, strict=True):
            assert {name: np.asarray(value).tolist() for name, value in tensors.items()} == {
                name: np.asarray(value).tolist() for name, value in expected.items()
            }
    assert read(io.BytesIO(content[:-1])) is None
    assert read(io.BytesIO(b"")) is None


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """/dev/full stands for the disk: opened through a link, every write to it fails."""
    sink = FolderSink(tmp_path)
    sink.append("a/b.jsonl", b"one\n")
    sink.append("a/b.jsonl", b"two\n")
    assert (tmp_path / "a" / "b.jsonl").read_bytes() == b"one\ntwo\n"
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left|Invalid argument"):
        sink.append("full.jsonl", b"lost\n")
