"""Lines put together from bytes are what serializing whole documents would give; files roll by the hour."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.scoring.collector.frames import Document, Envelope, Facts, Kept, TensorFrame, envelope_of, read, write
from shared.scoring.collector.line_maker import LineMaker
from shared.scoring.collector.lines import Hours, Lines, Rows, rows_of
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


FACTS = Facts("m", (), 32)  # it says that every tensor is numbers of a fixed width, which need not be so


def kept(feeds: dict[str, object], outputs: dict[str, object], name: str = "r", facts: Facts = FACTS) -> Kept:
    arrays = [each for each in (*feeds.values(), *outputs.values()) if isinstance(each, np.ndarray)]
    return Kept(1.0, name, facts, feeds, outputs, sum(each.nbytes for each in arrays))


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
def test_what_is_sent_carries_every_request_apart(requests: list[tuple[dict[str, object], dict[str, object]]]) -> None:
    stream = io.BytesIO()
    write(stream, envelope_of([kept(*each, name=str(index)) for index, each in enumerate(requests)]))
    content = stream.getvalue()
    envelope = read(io.BytesIO(content))
    assert isinstance(envelope, Envelope)
    frame = envelope.content
    assert isinstance(frame, TensorFrame)
    assert frame.request_ids == [str(index) for index in range(len(requests))]
    for got, sent in zip(
        zip(of_each(frame, frame.feeds), of_each(frame, frame.outputs), strict=True), requests, strict=True
    ):
        for tensors, expected in zip(got, sent, strict=True):
            assert {name: np.asarray(value).tolist() for name, value in tensors.items()} == {
                name: np.asarray(value).tolist() for name, value in expected.items()
            }
    assert read(io.BytesIO(content[:-1])) is None
    assert read(io.BytesIO(b"")) is None


def of_each(frame: TensorFrame, tensors: Any) -> list[dict[str, Any]]:
    if frame.rows is None:
        return list(tensors)
    return frame.split({name: packed.array() for name, packed in tensors.items()})


def document(content: bytes, encoding: str = "", **attributes: Any) -> Document:
    return Document(0.0, "r", "c", "request", content, encoding, attributes, len(content))


@pytest.mark.parametrize(
    ("content", "encoding", "data"),
    [
        (b'{"a": 1}', "", {"a": 1}),
        (b'{\n"a":\r\n[1]}', "", {"a": [1]}),
        (gzip.compress(b"[1]", mtime=0), "gzip", [1]),
        (b"no JSON \xc3\xa9\n", "", "no JSON \xe9\n"),
        (b"\xff\x00", "", "/wA="),
        (b"no gzip", "gzip", "no gzip"),
        (b"", "", ""),
    ],
)
def test_bodies_are_one_line_whatever_they_are(content: bytes, encoding: str, data: Any) -> None:
    maker, parts = LineMaker("e", "d", "1", "i", "day"), {}
    envelope = envelope_of([document(content, encoding, path="/score", collectdatatype=None, agent="x")])
    maker.add(envelope, parts)
    ((path, (line,)),) = parts.items()
    assert path == "e/d/request/1970/01/01/i.jsonl"
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert found["data"] == data
    assert (found["path"], found["agent"], found["correlationid"], found["xrequestid"]) == ("/score", "x", "c", "r")
    assert ("contentencoding" in found) == (data == "/wA=")
    assert "collectdatatype" not in found


def test_ids_of_lines_differ_and_are_uuids() -> None:
    lines = Lines("c", "s", "1")
    ids = {json.loads(lines.line(b'"a"', b'"b"', b"t", b"[]"))["id"] for _ in range(300)}
    assert len(ids) == 300
    assert all(str(uuid.UUID(each)) == each for each in ids)


@pytest.mark.parametrize(("roll", "folder"), [("minute", "2025/11/24/11/59"), ("day", "2025/11/24")])
def test_files_roll_as_they_are_told(roll: str, folder: str) -> None:
    assert Hours("e", "d", "i", roll).path("c", 1763985599.9) == f"e/d/c/{folder}/i.jsonl"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """/dev/full stands for the disk: opened through a link, every write to it fails."""
    sink = FolderSink(tmp_path)
    sink.append("a/b.jsonl", b"one\n")
    sink.append("a/b.jsonl", b"two\n")
    assert (tmp_path / "a" / "b.jsonl").read_bytes() == b"one\ntwo\n"
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left|Invalid argument"):
        sink.append("full.jsonl", b"lost\n")
