"""Files of each format are read whole, and what is no data in them is counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.errors import Invalid, NotFound
from shared.monitoring.column_types import ColumnType
from shared.monitoring.readers.table import FORMATS, file_of
from shared.monitoring.rows import Rows
from shared.resources.monitor_request import DataFile, DataSet, FileFormat
from shared.resources.monitor_result import DataCounts

DAY = datetime(2026, 5, 1, tzinfo=UTC)


def _data(path: Path, form: FileFormat, **more: Any) -> DataSet:
    return DataSet(files=[DataFile(path=str(path), format=form)], **more)


def _read(data: DataSet, *columns: str) -> tuple[list[dict[str, Any]], DataCounts]:
    counts = DataCounts()
    batches = [batch for batch in Rows(data).batches(columns, counts)]
    return [row for batch in batches for row in batch.to_pylist()], counts


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2, None], "b": ["u", None, "u"], "c": [DAY] * 3, "d": [[1], [], None]}), path)
    rows = Rows(_data(path, "parquet"))
    assert list(rows.schema.values()) == ["integer", "string", "time", "other"]
    found, counts = _read(_data(path, "parquet"), "a", "b")
    assert [(one["a"], one["b"]) for one in found] == [(1, "u"), (2, None), (None, "u")]
    assert (counts.files, counts.rows) == (1, 3)


def test_csv_types_are_what_most_values_are(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    lines = ["i,f,s,b,t,mixed"] + [f"{n},{n}.5,w{n},true,2026-05-01T00:00:0{n}Z,{n}" for n in range(10)] * 2
    path.write_text(
        "\ufeff" + "\n".join([*lines, ",,,,,wrong", "too,few", '7,1,"a, ""b""\nc",false,2026-05-02,3']) + "\n"
    )
    rows = Rows(_data(path, "csv"))
    assert [kind.value for kind in rows.schema.values()] == ["integer", "float", "string", "boolean", "time", "integer"]
    found, counts = _read(_data(path, "csv"), "s", "i")
    assert (found[-1]["s"], found[-2]["i"]) == ('a, "b"\nc', None)
    assert (counts.rows, counts.corrupt_lines) == (22, 1)


def test_json_lines_with_corrupt_ones(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1, "b": "x"}\n{"a": 2.5}\nnot json\n[1]\n\n{"b": "y", "c": true}\n')
    found, counts = _read(_data(path, "jsonl"), "a", "b", "c")
    assert [one.get("a") for one in found] == [1.0, 2.5, None]
    assert counts.corrupt_lines == 2


def test_json_lines_of_many_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.monitoring.readers.jsonl.BLOCK_BYTES", 100)
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(json.dumps({"number": number}) for number in range(1_000)))
    found, _ = _read(_data(path, "jsonl"), "number")
    assert [one["number"] for one in found] == list(range(1_000))


def _line(number: int, rows: list[dict[str, Any]], **more: Any) -> str:
    when = (DAY + timedelta(hours=number)).isoformat().replace("+00:00", "Z")
    event = {"specversion": "1.0", "id": f"id-{number}", "time": when, "correlationid": f"c{number}", "data": rows}
    return json.dumps(event | more)


def test_collected_requests_become_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [
        _line(0, [{"a": 1.0, "s": "u"}, {"a": 2.0, "s": "v"}]),
        _line(1, [{"a": 3.0, "s": "u"}]),
        _line(0, [{"a": 9}]),
    ]
    lines += ["{", json.dumps({"id": "z", "data": [{"a": 1}]}), _line(5, [{"a": 5.0}]), _line(6, "blob", dataref="x")]  # type: ignore[arg-type]
    path.write_text("\n".join(lines))
    data = _data(path, "collected", window_start=DAY, window_end=DAY + timedelta(hours=2))
    found, counts = _read(data, "a", "s", "correlationid")
    assert [(one["a"], one["correlationid"]) for one in found] == [(1.0, "c0_0"), (2.0, "c0_1"), (3.0, "c1_0")]
    assert counts == DataCounts(files=1, rows=3, corrupt_lines=3, duplicate_lines=1, outside_rows=1)
    assert list(Rows(data).schema) == ["a", "s"]


def test_rows_of_an_earlier_hour_than_their_file_are_late_and_count(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([_line(0, [{"a": 1.0}, {"a": 2.0}]), _line(1, [{"a": 3.0}])]))
    file = DataFile(path=str(path), format="collected", begins=DAY + timedelta(hours=1))
    found, counts = _read(DataSet(files=[file]), "a")
    assert (len(found), counts.rows, counts.late_rows) == (3, 3, 2)


def test_a_line_that_two_files_hold_counts_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(_line(0, [{"a": 1.0}]))
    data = DataSet(files=[DataFile(path=str(tmp_path / name), format="collected") for name in ("a", "b")])
    found, counts = _read(data, "a")
    assert (len(found), counts.duplicate_lines) == (1, 1)


def test_the_first_collectors_csv(tmp_path: Path) -> None:
    path = tmp_path / "inputs.csv"
    head = "$aml_dc_correlation_id,$aml_dc_scoring_timestamp,$aml_dc_boundary,$aml_request_id,age"
    path.write_text(f"{head}\nc1,2026-05-01T00:30:00Z,b,r,30\nc2,2026-05-03T00:00:00Z,b,r,40\n")
    data = _data(path, "collected_csv", window_start=DAY, window_end=DAY + timedelta(days=1))
    found, counts = _read(data, "age", "correlationid")
    assert found == [{"correlationid": "c1", "age": "30"}]
    assert counts.outside_rows == 1
    assert Rows(data).schema == {"age": ColumnType.INTEGER}


def test_segments(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3], "site": ["x", "y", None]}), path)
    found, _ = _read(_data(path, "parquet", segment_column="site", segment_values=["y"]), "a")
    assert found == [{"a": 2}]


def test_columns_of_several_files_are_those_of_all(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [1.5]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [2.5], "c": ["x"]}), tmp_path / "2.parquet")
    data = DataSet(files=[DataFile(path=str(tmp_path / f"{n}.parquet")) for n in (1, 2)])
    assert Rows(data).schema == {"a": "float", "b": "float", "c": "string"}


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_missing_or_empty_is_told(tmp_path: Path, form: FileFormat) -> None:
    with pytest.raises(NotFound, match="is no file"):
        Rows(_data(tmp_path / "none", form))
    (tmp_path / "empty").touch()
    with pytest.raises(Invalid, match="is empty"):
        Rows(_data(tmp_path / "empty", form))


def test_another_format_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Invalid, match="is not a Parquet file"):
        Rows(_data(path, "parquet"))
    with pytest.raises(Invalid, match="nothing tells its format"):
        file_of("x.xlsx")


def test_a_window_needs_a_column_of_times(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(Invalid, match="no column that says when"):
        Rows(_data(path, "parquet", window_start=DAY))
    with pytest.raises(Invalid, match="no column 'when'"):
        Rows(_data(path, "parquet", time_column="when"))
