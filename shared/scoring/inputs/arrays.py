"""From tables and nested lists to the arrays of a model. What NumPy makes of the data at once is taken when its type is
right; anything else goes to `faults`, which looks at every cell to say which one is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.scoring.errors import InputFault, InvalidInput
from shared.scoring.inputs import columns as column_order
from shared.scoring.inputs.faults import cell_faults
from shared.scoring.inputs.forms import Table, Tensors
from shared.scoring.models.signature import Array, Layout, Signature, Tensor

Feeds = dict[str, Array]
_NUMBERS = "fiu"
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


def feeds_of(data: Table | Tensors, signature: Signature, *, may_hold_booleans: bool = True) -> Feeds:
    """The model's inputs, C-contiguous, of its types. Without `may_hold_booleans` no boolean is looked for among
    numbers (NumPy would take it for 1 or 0). Raises InvalidInput with the columns, rows and expected types."""
    if isinstance(data, Tensors):
        return _tensors(data.values, signature, may_hold_booleans)
    if signature.layout is Layout.TENSORS:
        if len(signature.inputs) == 1 and data.columns is None:
            return _tensors({signature.inputs[0].name: data.rows}, signature, may_hold_booleans)
        names = ", ".join(each.name for each in signature.inputs)
        raise InvalidInput(f"the model takes no table but tensors: {names}")
    if not data.rows:
        raise InvalidInput("there are no rows")
    if signature.layout is Layout.MATRIX:
        return {signature.inputs[0].name: _matrix(data, signature, may_hold_booleans)}
    return _separate(data, signature)


def _matrix(table: Table, signature: Signature, may_hold_booleans: bool) -> Array:
    each = signature.inputs[0]
    order = column_order.order_of(table.columns, signature) if table.columns is not None else None
    array = None if may_hold_booleans else _numbers(table.rows, each)
    if array is None or (each.shape[1] not in (None, array.shape[1])):
        names = table.columns or signature.columns or None
        array = _checked(table.rows, each, names, signature)
    if order is not None:
        array = np.ascontiguousarray(array[:, order])
    return array


def _numbers(values: Any, each: Tensor) -> Array | None:
    """The values as an array when NumPy reads all of them as what they should be, else None."""
    try:
        array = np.array(values)
    except (ValueError, TypeError, OverflowError):
        return None
    if array.dtype.kind not in _NUMBERS or array.ndim != len(each.shape):
        return None
    if each.dtype in ("float32", "float64"):
        with np.errstate(over="ignore"):
            array = array.astype(each.dtype, copy=False)
        return array if np.isfinite(array).all() else None
    if each.dtype in _INTEGERS and array.dtype.kind == "i" and array.size:
        bounds = np.iinfo(each.dtype)
        return array.astype(each.dtype) if bounds.min <= array.min() and array.max() <= bounds.max else None
    return None


def _checked(rows: list[Any], each: Tensor, names: Any, signature: Signature) -> Array:
    width = len(names) if names else signature.width
    faults, cleaned = cell_faults(rows, each, list(names) if names else None, width)
    if faults:
        raise InvalidInput("the data do not fit the model", faults=tuple(faults))
    return np.array(cleaned, dtype=each.dtype)


def _separate(table: Table, signature: Signature) -> Feeds:
    names = table.columns or list(signature.columns)
    order = column_order.order_of(names, signature) if table.columns is not None else None
    width = len(names)
    ragged = [
        InputFault(_size_text(row), row=index, expected=f"a list of {width} values")
        for index, row in enumerate(table.rows)
        if not isinstance(row, list) or len(row) != width
    ]
    if ragged:
        raise InvalidInput("rows differ from the columns", faults=tuple(ragged[:20]))
    feeds: Feeds = {}
    faults: list[InputFault] = []
    for place, each in enumerate(signature.inputs):
        index = place if order is None else order[place]
        found, cleaned = cell_faults([[row[index]] for row in table.rows], each, [each.name], 1)
        faults += found
        if not found:
            array = np.array(cleaned, dtype=each.dtype)
            feeds[each.name] = array if len(each.shape) == 2 else array.reshape(-1)
    if faults:
        raise InvalidInput("the data do not fit the model", faults=tuple(faults[:20]))
    return feeds


def _size_text(row: Any) -> str:
    return f"{len(row)} values" if isinstance(row, list) else "no list"


def _tensors(values: dict[str, Any], signature: Signature, may_hold_booleans: bool) -> Feeds:
    missing = [each.name for each in signature.inputs if each.name not in values]
    if missing:
        faults = tuple(
            InputFault("is missing", column=each.name, expected=f"{each.type_name} {each.shape_text}")
            for each in signature.inputs
            if each.name in missing
        )
        raise InvalidInput(f"inputs are missing: {', '.join(missing)}", faults=faults)
    feeds = {each.name: _tensor(values[each.name], each, may_hold_booleans) for each in signature.inputs}
    check_rows(feeds, signature)
    return feeds


def _tensor(value: Any, each: Tensor, may_hold_booleans: bool) -> Array:
    array = None if may_hold_booleans else _numbers(value, each)
    if array is not None:
        check_shape(array.shape, each)
        return array
    expected = f"{each.type_name} {each.shape_text}"
    try:
        raw = np.array(value, dtype=object if each.dtype == "object" else None)
    except (ValueError, TypeError, OverflowError):
        fault = InputFault("its lists differ in length or are nested too deeply", column=each.name, expected=expected)
        raise InvalidInput(f"{each.name} is no tensor", faults=(fault,)) from None
    if len(each.shape) == 2 and each.shape[1] == 1 and raw.ndim == 1:
        raw = raw.reshape(-1, 1)  # a column of a table, as a plain list
        value = raw.tolist()
    check_shape(raw.shape, each)
    flat = [[cell] for cell in np.array(value, dtype=object).reshape(-1).tolist()]
    faults, cleaned = cell_faults(flat, each, [each.name], 1)
    if faults:
        raise InvalidInput("the data do not fit the model", faults=tuple(faults))
    return np.array(cleaned, dtype=each.dtype).reshape(raw.shape)


def check_shape(shape: tuple[int, ...], each: Tensor) -> None:
    """Raises InvalidInput when the input takes no such shape."""
    fits = len(shape) == len(each.shape) and all(b in (None, a) for a, b in zip(shape, each.shape, strict=True))
    if not fits or 0 in shape:
        fault = InputFault(f"its shape is {list(shape)}", each.name, expected=f"{each.type_name} {each.shape_text}")
        raise InvalidInput(f"{each.name} has another shape than the model takes", faults=(fault,))


def check_rows(feeds: Feeds, signature: Signature) -> None:
    """Raises InvalidInput when inputs of a table-like model differ in their number of rows."""
    rows = {name: array.shape[0] for name, array in feeds.items() if array.ndim}
    if signature.layout is Layout.COLUMNS and len(set(rows.values())) > 1:
        raise InvalidInput(f"inputs differ in their number of rows: {rows}")
