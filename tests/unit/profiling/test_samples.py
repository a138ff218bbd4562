"""From files of samples to request bodies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import Invalid
from shared.profiling import samples
from shared.profiling.samples import read_samples


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "bodies"),
    [
        ("a.jsonl", '{"data": [1]}\n\n {"data":  [2]}\n', [b'{"data": [1]}', b'{"data":  [2]}']),
        ("a.ndjson", "[1]", [b"[1]"]),
        ("a.json", '[{"data": [1]}, "as it is"]', [b'{"data":[1]}', b"as it is"]),
        ("one.csv", 'body\n"{""data"": [1, 2]}"\nplain\n', [b'{"data": [1, 2]}', b"plain"]),
        (
            "many.csv",
            "age,name,bmi\n1,x,2.5\n",
            [b'{"input_data":{"columns":["age","name","bmi"],"data":[[1,"x",2.5]]}}'],
        ),
        ("BOM.CSV", "\ufeffa,b\n1,2\n", [b'{"input_data":{"columns":["a","b"],"data":[[1,2]]}}']),
    ],
)
def test_one_row_is_one_body(tmp_path: Path, name: str, text: str, bodies: list[bytes]) -> None:
    assert list(read_samples(written(tmp_path, name, text)).bodies) == bodies


@pytest.mark.parametrize(
    ("name", "text", "said", "line"),
    [
        ("a.jsonl", "{}\nno\n", "not JSON", 2),
        ("a.jsonl", "\n", "no sample", None),
        ("a.json", '{"data": 1}', "no array", None),
        ("a.json", "[1,\n", "not JSON", 2),
        ("a.json", "[]", "no sample", None),
        ("a.csv", "a,b\n1,2\n1\n", "1 cells", 3),
        ("a.csv", 'a\n"open\n', "not CSV", 2),
        ("a.csv", "a,b\n", "no sample", None),
        ("a.txt", "x", "not known by its name", None),
    ],
)
def test_what_is_no_sample_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, said: str, line: int | None
) -> None:
    with pytest.raises(Invalid) as caught:
        read_samples(written(tmp_path, name, text))
    (fault,) = caught.value.faults
    assert (said in fault.message, fault.line, fault.file) == (True, line, name)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"gone\.json"):
        read_samples(tmp_path / "gone.json")
    binary = tmp_path / "a.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="not UTF-8"):
        read_samples(binary)
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(samples.MAX_FILE_BYTES + 1)
    with pytest.raises(Invalid, match="larger than 64 MiB"):
        read_samples(large)


def test_numbers_keep_their_kind(tmp_path: Path) -> None:
    (body,) = read_samples(written(tmp_path, "a.csv", "a,b,c\n1,1.0,1e3\n")).bodies
    assert json.loads(body)["input_data"]["data"] == [[1, 1.0, 1000.0]]
    assert b"[1,1.0,1000.0]" in body
