"""The shapes in which JSON bodies carry data, brought to two: tables and named tensors.

Sources: Azure ML's `data` and `input_data` [azureml-examples], pandas' `to_dict(orient="split" | "records")`, MLflow's
`/invocations` (dataframe_split, dataframe_records, instances, inputs), Power BI's Inputs and GlobalParameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from shared.scoring.errors import BadRequest, InputFault, InvalidInput

KEYS = ("data", "input_data", "dataframe_split", "dataframe_records", "inputs", "instances", "Inputs")
_BESIDE = {"Inputs": {"GlobalParameters"}, "inputs": {"params"}, "instances": {"params", "signature_name"}}
_COMMON = frozenset({"params", "method", "id"})


@dataclass(slots=True)
class Table:
    """Rows as lists. `columns` is None when the client did not name them."""

    columns: list[str] | None
    rows: list[Any]


@dataclass(slots=True)
class Tensors:
    """Nested lists by the name of an input."""

    values: dict[str, Any]


@dataclass(slots=True)
class Parsed:
    """The data of a body, and the key that carried it ("" for a bare list)."""

    data: Table | Tensors
    key: str


def load(body: bytes) -> Any:
    """The body as JSON (RFC 8259: no NaN, no Infinity; at most 1,024 levels). Raises BadRequest."""
    if not body:
        raise BadRequest("the body is empty; a JSON document is expected")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None


def parse(document: Any, input_names: frozenset[str]) -> Parsed:
    """The data of a document. Raises InvalidInput when it has none of the known forms."""
    if isinstance(document, list):
        return Parsed(_table(document, ""), "")
    if not isinstance(document, dict):
        raise _unknown(f"the body is {_kind(document)}", input_names)
    if document and document.keys() <= input_names:
        return Parsed(Tensors(document), "")
    found = [key for key in KEYS if key in document]
    if len(found) != 1:
        given = ", ".join(sorted(map(str, document))[:20]) or "no key at all"
        raise _unknown(f"the body has {given}", input_names)
    key = found[0]
    extra = document.keys() - {key} - _BESIDE.get(key, set()) - _COMMON
    if extra:
        raise InvalidInput(f"unknown keys beside {key}: {', '.join(sorted(extra))}")
    return Parsed(_FORMS[key](document[key], key, input_names), key)


def _unknown(what: str, input_names: frozenset[str]) -> InvalidInput:
    names = ", ".join(sorted(input_names))
    return InvalidInput(f"{what}; allowed: a list of rows or one of {', '.join(KEYS)}, or the model's inputs ({names})")


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return "null" if value is None else names[type(value)]


def _any(value: Any, key: str, input_names: frozenset[str]) -> Table | Tensors:
    if isinstance(value, list):
        return _table(value, key)
    if isinstance(value, dict) and "data" in value and value.keys() <= {"columns", "index", "data"}:
        return _split(value, key, input_names)
    if isinstance(value, dict) and value and value.keys() <= input_names:
        return Tensors(value)
    if isinstance(value, dict) and value:
        return _columns(value, key)
    raise InvalidInput(f"{key} is {_kind(value)}; expected: a list of rows, or an object with columns and data")


def _columns(value: dict[str, Any], key: str) -> Table:
    """pandas' orient="list", and Power BI's `{"input1": [records]}`."""
    if len(value) == 1 and isinstance(only := next(iter(value.values())), list) and only and isinstance(only[0], dict):
        return _table(only, key)
    lengths = {len(each) for each in value.values() if isinstance(each, list)}
    if len(lengths) != 1 or not all(isinstance(each, list) for each in value.values()):
        raise InvalidInput(f"{key} has {', '.join(list(value)[:20])}; expected: lists of the same length")
    return Table(list(value), [list(row) for row in zip(*value.values(), strict=True)])


def _split(value: Any, key: str, input_names: frozenset[str]) -> Table:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise InvalidInput(f"{key} is no object with columns and data (lists)")
    columns = value.get("columns")
    if columns is None:
        return _table(value["data"], key)
    if not isinstance(columns, list) or not all(isinstance(name, str | int) for name in columns):
        raise InvalidInput(f"{key}.columns is no list of names")
    if columns == list(range(len(columns))):  # pandas' own numbering: no names
        return Table(None, value["data"])
    return Table([str(name) for name in columns], value["data"])


def _records(value: Any, key: str, input_names: frozenset[str]) -> Table:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise InvalidInput(f"{key} is no list of objects")
    return _table(value, key)


def _table(rows: list[Any], key: str) -> Table:
    if not rows or not isinstance(rows[0], dict):
        return Table(None, rows)
    columns = list(rows[0])
    names = set(columns)
    faults = [
        InputFault(f"{key or 'the body'} has an item that is no object with the same columns as the first", row=index)
        for index, row in enumerate(rows)
        if not isinstance(row, dict) or row.keys() != names
    ]
    if faults:
        raise InvalidInput(f"rows differ in their columns ({', '.join(columns[:20])})", faults=tuple(faults[:20]))
    return Table(columns, [[row[name] for name in columns] for row in rows])


_FORMS: dict[str, Callable[[Any, str, frozenset[str]], Table | Tensors]] = {
    "data": _any,
    "input_data": _any,
    "dataframe_split": _split,
    "dataframe_records": _records,
    "inputs": _any,
    "instances": _any,
    "Inputs": _any,
}
