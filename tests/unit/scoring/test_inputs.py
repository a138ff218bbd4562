"""What bodies a model takes, and what is said of those that it does not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from shared.scoring.errors import BadRequest, BodyTooLarge, InvalidInput, RequestError, UnsupportedMediaType
from shared.scoring.http.messages import Request
from shared.scoring.inputs.bodies import read
from shared.scoring.models.onnx_model import OnnxModel
from tests.unit.scoring.onnx_models import COLUMNS, image, mixed, sums

ROWS = [[1, 2.5, 3], [4, 5, 6]]
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in ROWS]
SHUFFLED = [{name: row[name] for name in ("score", "age", "income")} for row in RECORDS]
SPLIT = {"columns": COLUMNS, "index": [0, 1], "data": ROWS}


def request_of(body: bytes, content_type: str = "application/json", **headers: str) -> Request:
    raw = [(b"Content-Type", content_type.encode())]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request(b"POST", b"/score", raw)
    request.body = body
    return request


def feeds(model: OnnxModel, document: Any) -> dict[str, np.ndarray]:
    return feeds_of_body(model, json.dumps(document).encode())


def feeds_of_body(model: OnnxModel, body: bytes, *arguments: str, **headers: str) -> dict[str, np.ndarray]:
    names = frozenset(each.name for each in model.signature.inputs)
    found, _ = read(request_of(body, *arguments, **headers), model.signature, names, 10_000)
    return found


def refused(model: OnnxModel, document: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        feeds(model, document)
    return caught.value


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return sums(tmp_path_factory.mktemp("model"), columns=COLUMNS)


@pytest.fixture(scope="module")
def nameless(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return sums(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return mixed(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    return image(tmp_path_factory.mktemp("model"))


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


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        ([1, "2", 3], "income", "is the text '2'"),
        ([1, None, 3], "income", "is null"),
        ([True, 2, 3], "age", "is the boolean true"),
        ([1, 2, [3]], "score", "is a list"),
        ([1, 2, {}], "score", "is an object"),
        ([1e39, 2, 3], "age", "is out of range: 1e+39"),
        ([1, 2, 10**40], "score", "is out of range"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row_and_type(matrix: OnnxModel, row: Any, column: str, said: str) -> None:
    error = refused(matrix, {"data": [[1, 2, 3], row]})
    (fault,) = error.faults
    assert (fault.column, fault.row, fault.expected) == (column, 1, "float32")
    assert said in fault.message


def test_a_matrix_without_names_names_places(nameless: OnnxModel) -> None:
    (fault,) = refused(nameless, [[1, "a", 3]]).faults
    assert fault.column == "1"
    assert feeds(nameless, [{"whatever": 1, "name": 2, "there": 3}])["x"].tolist() == [[1, 2, 3]]
    assert "there are 2 columns; the model takes 3" in str(refused(nameless, [{"a": 1, "b": 2}]))


@pytest.mark.parametrize("cell", ["1", 1.5, 2**63, -(2**64), None, False])
def test_whole_numbers_are_whole_and_in_range(columns: OnnxModel, cell: Any) -> None:
    (fault,) = refused(columns, [{"age": 1, "visits": cell, "city": "", "member": True}]).faults
    assert (fault.column, fault.expected) == ("visits", "int64")


@pytest.mark.parametrize("cell", [-1, 256, 0.5, "a", True])
def test_small_whole_numbers_are_in_range(pixels: OnnxModel, cell: Any) -> None:
    value: Any = np.zeros((1, 2, 2, 3)).astype(int).tolist()
    value[0][1][1][2] = cell
    (fault,) = refused(pixels, value).faults
    assert (fault.column, fault.expected) == ("pixels", "uint8")


def test_missing_unknown_and_repeated_columns_are_named(matrix: OnnxModel) -> None:
    error = refused(matrix, {"input_data": {"columns": ["age", "age", "incom"], "data": ROWS}})
    assert {(fault.column, fault.message) for fault in error.faults} == {
        ("income", "is missing"),
        ("score", "is missing"),
        ("incom", "is unknown to the model"),
        ("age", "is there twice"),
    }
    assert next(fault.expected for fault in error.faults if fault.column == "income") == "float32"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"data": []},
        {"data": [[]]},
        {"data": [[1, 2]]},
        {"data": [[1, 2, 3], [1, 2]]},
        {"data": [1, 2, 3]},
        {"data": [[[1], [2], [3]]]},
        {"data": 3},
        {"data": None},
        {"input_data": {"columns": "age", "data": ROWS}},
        {"dataframe_split": ROWS},
        {"dataframe_records": ROWS},
        {"inputs": {"age": [1], "income": [1, 2], "score": [1]}},
        {"inputs": {"age": 1}},
        [{"age": 1}, 3],
        [[1, 2, 3], {"age": 1}],
        {"x": 1},
        {"x": [[1, 2]]},
        {"data": ROWS, "inputs": ROWS},
        {"data": ROWS, "more": 1},
        {"nothing": 1},
        {},
        3,
        "text",
        None,
        True,
    ],
)
def test_other_forms_and_shapes_are_refused(matrix: OnnxModel, document: Any) -> None:
    assert refused(matrix, document).status == 422


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"data": [[NaN, 1, 2]]}',
        b"[[Infinity, 1, 2]]",
        b"[[1e999, 1, 2]]",
        b"[" * 5000 + b"]" * 5000,
    ],
)
def test_what_is_not_json_is_a_bad_request(matrix: OnnxModel, body: bytes) -> None:
    with pytest.raises(BadRequest):
        feeds_of_body(matrix, body)


def test_deep_nesting_is_refused(matrix: OnnxModel, columns: OnnxModel, pixels: OnnxModel) -> None:
    deep = b"[" * 1000 + b"]" * 1000
    for model in (matrix, columns, pixels):
        for body in (deep, b'{"data":' + deep + b"}", b'{"inputs": {"x": ' + deep + b"}}", b"[[1, 2, " + deep + b"]]"):
            with pytest.raises(InvalidInput):
                feeds_of_body(model, body)


@pytest.mark.parametrize(
    "body", [b"", b"age,income,score\n", b"age,income,score\n1,2\n", b'age,income,score\n1,2,"a\n']
)
def test_csv_that_is_none(matrix: OnnxModel, body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        feeds_of_body(matrix, body, "text/csv")
    assert caught.value.status in (400, 422)


@pytest.mark.parametrize("cell", ["", "nan", "inf", "x", "1e999"])
def test_csv_cells_that_are_no_numbers(matrix: OnnxModel, cell: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        feeds_of_body(matrix, f"age,income,score\n1,{cell},3\n".encode(), "text/csv")
    assert caught.value.faults[0].column == "income"


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
