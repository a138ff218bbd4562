"""What is said of bodies that a model does not take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.scoring.errors import BadRequest, InvalidInput, RequestError
from shared.scoring.models.onnx_model import OnnxModel
from tests.unit.scoring.read_bodies import feeds, feeds_of_body, refused

ROWS = [[1, 2.5, 3], [4, 5, 6]]


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
