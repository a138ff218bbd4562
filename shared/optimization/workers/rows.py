"""Rows of sample data: from a file to what a model and its ONNX file take."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MATRIX = "input"  # the name of the only array, where columns have no types of their own
MAX_ROWS = 100_000
NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


@dataclass(frozen=True)
class Rows:
    """Rows as one array of numbers, named MATRIX, or as an array for each column or input."""

    arrays: dict[str, np.ndarray]
    columns: tuple[str, ...] = ()  # names of the matrix's columns; () when they are not known

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def matrix(self) -> np.ndarray:
        """The one array. Raises ValueError for rows of columns with types of their own."""
        if len(self.arrays) != 1:
            raise ValueError(f"this kind takes one array of numbers, not the columns {', '.join(self.arrays)}")
        return next(iter(self.arrays.values()))

    def take(self, count: int) -> Rows:
        """The first `count` rows; they begin again where there are fewer."""
        chosen = np.arange(count) % len(self)
        return Rows({name: array[chosen] for name, array in self.arrays.items()}, self.columns)

    def feeds(self, inputs: Sequence[Any]) -> dict[str, np.ndarray]:
        """What ONNX Runtime takes for these inputs (NodeArg). Raises ValueError for an input without data."""
        if len(inputs) == 1 and len(self.arrays) == 1:
            return {inputs[0].name: _cast(self.matrix, inputs[0])}
        if missing := [one.name for one in inputs if one.name not in self.arrays]:
            raise ValueError(f"the sample has no column {', '.join(missing)}; it has {', '.join(self.arrays)}")
        return {one.name: _cast(self.arrays[one.name], one) for one in inputs}


def _cast(array: np.ndarray, node: Any) -> np.ndarray:
    if node.type not in NUMPY_TYPES:
        raise ValueError(f"the input {node.name} is a {node.type}, which samples cannot hold")
    if array.ndim == 1 and len(node.shape or ()) == 2:
        array = array.reshape(-1, 1)
    return np.ascontiguousarray(array.astype(NUMPY_TYPES[node.type]))


def read_rows(path: str) -> Rows:
    """The rows of a .npy, .npz, .csv (with a header) or .json file: a list of rows, of objects, or {"data": [...]},
    {"input_data": {"columns": [...], "data": [...]}} as Azure ML's servers take them. Raises ValueError for a file that
    is none of them, without rows, or with more than 100,000."""
    readers = {".npy": _read_npy, ".npz": _read_npz, ".csv": _read_csv, ".json": _read_json}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise ValueError(f"{Path(path).name} is no sample; allowed: {', '.join(readers)}")
    rows = readers[suffix](path)
    if not 0 < len(rows) <= MAX_ROWS or len({len(array) for array in rows.arrays.values()}) != 1:
        raise ValueError(f"{Path(path).name} must have 1 to {MAX_ROWS} rows, as many in each column")
    return rows


def _read_npy(path: str) -> Rows:
    return Rows({MATRIX: np.load(path, allow_pickle=False)})


def _read_npz(path: str) -> Rows:
    with np.load(path, allow_pickle=False) as found:
        return Rows({name: found[name] for name in found.files})


def _read_csv(path: str) -> Rows:
    with open(path, newline="", encoding="utf-8-sig") as file:
        header, *lines = csv.reader(file)
    return _of_table(header, [line for line in lines if line])


def _read_json(path: str) -> Rows:
    said = json.loads(Path(path).read_bytes())
    columns: list[str] = []
    if isinstance(said, dict):
        said = said.get("input_data", said)
    if isinstance(said, dict):
        columns, said = [str(name) for name in said.get("columns", ())], said.get("data")
    if not isinstance(said, list) or not said:
        raise ValueError(f"{Path(path).name} has no list of rows")
    if isinstance(said[0], dict):
        columns = list(said[0])
        said = [[row.get(name) for name in columns] for row in said]
    return _of_table(columns, said) if columns else Rows({MATRIX: np.asarray(said, dtype=np.float64)})


def _of_table(columns: list[str], lines: list[list[Any]]) -> Rows:
    """One matrix when every column has numbers alone; an empty field is not a number (NaN)."""
    if wrong := next((number for number, line in enumerate(lines) if len(line) != len(columns)), None):
        raise ValueError(f"row {wrong} has {len(lines[wrong])} fields, not {len(columns)}")
    if not lines:
        raise ValueError("the sample has no rows")
    arrays = {name: _column([line[place] for line in lines]) for place, name in enumerate(columns)}
    if any(array.dtype == object for array in arrays.values()):
        return Rows(arrays)
    return Rows({MATRIX: np.column_stack(list(arrays.values()))}, tuple(columns))


def _column(values: list[Any]) -> np.ndarray:
    try:
        return np.array([np.nan if value in ("", None) else float(value) for value in values])
    except ValueError:
        return np.array([str(value) for value in values], dtype=object)
