"""Samples in every format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shared.optimization.workers.rows import MATRIX, read_rows


@pytest.mark.parametrize(
    "document",
    [
        [[1, 2], [3, 4]],
        {"data": [[1, 2], [3, 4]]},
        {"input_data": {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 2], [3, 4]]}},
        [{"a": 1, "b": 2}, {"a": 3, "b": 4}],
    ],
)
def test_json_of_every_shape_is_a_matrix(tmp_path: Path, document: object) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(document))
    assert read_rows(str(path)).matrix.tolist() == [[1, 2], [3, 4]]


def test_a_table_with_texts_has_an_array_for_each_column(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,x\n,y\n")
    rows = read_rows(str(path))
    assert rows.arrays["b"].tolist() == ["x", "y"]
    assert np.isnan(rows.arrays["a"][1])
    with pytest.raises(ValueError, match="the columns a, b"):
        _ = rows.matrix
    path.write_text("a,b\n1,2\n3,4\n")
    assert read_rows(str(path)).columns == ("a", "b")


def test_rows_begin_again_where_there_are_fewer(tmp_path: Path) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, np.array([[1.0], [2.0], [3.0]]))
    assert read_rows(str(path)).take(7).arrays[MATRIX].ravel().tolist() == [1, 2, 3, 1, 2, 3, 1]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("rows.parquet", "", "is no sample; allowed: .npy, .npz, .csv, .json"),
        ("rows.csv", "a,b\n", "no rows"),
        ("rows.csv", "a,b\n1,2\n3\n", "row 1 has 1 fields, not 2"),
        ("rows.json", "[]", "no list of rows"),
        ("rows.json", '{"rows": 1}', "no list of rows"),
    ],
)
def test_what_is_no_sample_says_why(tmp_path: Path, name: str, text: str, reason: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_rows(str(tmp_path / name))


def test_a_sample_that_is_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        read_rows(str(tmp_path / "rows.npy"))
