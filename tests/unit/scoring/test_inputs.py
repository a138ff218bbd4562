"""What bodies a model takes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from shared.scoring.errors import BadRequest, BodyTooLarge, UnsupportedMediaType
from shared.scoring.models.onnx_model import OnnxModel
from tests.unit.scoring.onnx_models import COLUMNS, sums
from tests.unit.scoring.read_bodies import feeds, feeds_of_body

ROWS = [[1, 2.5, 3], [4, 5, 6]]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
SHUFFLED = [{name: row[name] for name in ("score", "age", "income")} for row in RECORDS]
SPLIT = {"columns": COLUMNS, "index": [0, 1], "data": ROWS}


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        RECORDS,
        SHUFFLED,
        {"data": ROWS},
        {"data": RECORDS},
        {"input_data": ROWS},
        {"input_data": SPLIT},
        {"input_data": {"columns": [0, 1, 2], "index": [0, 1], "data": ROWS}},
        {"dataframe_split": SPLIT},
        {"dataframe_split": {"data": ROWS}},
        {"dataframe_records": RECORDS},
        {"inputs": ROWS},
        {"inputs": {"age": [1, 4], "income": [2.5, 5], "score": [3, 6]}},
        {"inputs": {"x": ROWS}},
        {"instances": RECORDS},
        {"instances": ROWS, "params": {}},
        {"x": ROWS},
        {"Inputs": RECORDS, "GlobalParameters": {}},
        {"Inputs": {"input1": RECORDS}},
    ],
)
def test_every_form_gives_the_same_rows(matrix: OnnxModel, document: Any) -> None:
    found = feeds(matrix, document)
    assert found.keys() == {"x"}
    assert found["x"].dtype == np.float32
    assert found["x"].flags.c_contiguous
    assert found["x"].tolist() == ROWS


def test_csv_has_columns_in_any_order(matrix: OnnxModel) -> None:
    found = feeds_of_body(matrix, b"score,age,income\r\n3,1,2.5\r\n6,4,5\r\n", "text/csv")
    assert found["x"].tolist() == ROWS


def test_columns_of_several_types(columns: OnnxModel) -> None:
    row = {"age": 1, "visits": 2.0, "city": "Ulm", "member": True}
    found = feeds(columns, [row])
    assert {name: array.tolist() for name, array in found.items()} == {
        "age": [[1.0]],
        "visits": [[2]],
        "city": [["Ulm"]],
        "member": [[True]],
    }
    assert feeds_of_body(columns, b"age,visits,city,member\n1,2,Ulm,true\n", "text/csv") == found


def test_tensors_of_more_dimensions(pixels: OnnxModel) -> None:
    value = np.arange(24).reshape(2, 2, 2, 3).tolist()
    for document in (value, {"inputs": value}, {"inputs": {"pixels": value}}, {"pixels": value}):
        assert feeds(pixels, document)["pixels"].dtype == np.uint8
        assert feeds(pixels, document)["pixels"].tolist() == value


def test_content_types_and_encodings(matrix: OnnxModel) -> None:
    body = json.dumps(ROWS).encode()
    assert feeds_of_body(matrix, body, "application/json; charset=utf-8")["x"].tolist() == ROWS
    assert feeds_of_body(matrix, body, "application/vnd.x+json")["x"].tolist() == ROWS
    packed = gzip.compress(body)
    assert feeds_of_body(matrix, packed, "application/json", Content_Encoding="gzip")["x"].tolist() == ROWS
    with pytest.raises(UnsupportedMediaType):
        feeds_of_body(matrix, body, "image/png")
    with pytest.raises(UnsupportedMediaType):
        feeds_of_body(matrix, body, "application/json", Content_Encoding="br")
    for broken in (packed[:-1], packed + b"x", body, packed + packed):
        with pytest.raises(BadRequest):
            feeds_of_body(matrix, broken, "application/json", Content_Encoding="gzip")
    with pytest.raises(BodyTooLarge):
        feeds_of_body(matrix, gzip.compress(b" " * 10_001), "application/json", Content_Encoding="gzip")


def test_doubles_are_not_rounded(tmp_path: Path) -> None:
    model = sums(tmp_path, kind=TensorProto.DOUBLE)
    assert feeds(model, [[0.1, 1e300, 3]])["x"].tolist() == [[0.1, 1e300, 3]]
