"""Looks at every cell of data that did not fit at once: which are wrong, and the values of those that are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from shared.scoring.errors import InputFault
from shared.scoring.models.signature import Tensor

MAX_FAULTS = 20
Check = Callable[[Any], str | None]


def cell_faults(
    rows: Any, each: Tensor, names: list[str] | None, width: int | None
) -> tuple[list[InputFault], list[list[Any]]]:
    """Up to MAX_FAULTS faults with row, column and expected type, and the rows. `width` None: that of the first row."""
    check = _check_of(each.dtype)
    faults: list[InputFault] = []
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            faults.append(InputFault("is no list", row=index, expected=_list_text(width)))
        elif width is not None and len(row) != width:
            faults.append(InputFault(f"has {len(row)} values", row=index, expected=_list_text(width)))
        else:
            width = len(row)
            faults += [
                InputFault(said, names[place] if names else str(place), index, each.type_name)
                for place, cell in enumerate(row)
                if (said := check(cell)) is not None
            ]
        if len(faults) >= MAX_FAULTS:
            break
    return faults[:MAX_FAULTS], rows


def _list_text(width: int | None) -> str:
    return "a list of values" if width is None else f"a list of {width} values"


def _check_of(dtype: str) -> Check:
    if dtype == "object":
        return lambda cell: None if isinstance(cell, str) else f"is {_shown(cell)}"
    if dtype == "bool":
        return lambda cell: None if isinstance(cell, bool) else f"is {_shown(cell)}"
    if dtype.startswith("float"):
        return _float_check(float(np.finfo(dtype).max))
    bounds = np.iinfo(dtype)
    return _int_check(int(bounds.min), int(bounds.max))


def _float_check(largest: float) -> Check:
    def check(cell: Any) -> str | None:
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            return f"is {_shown(cell)}"
        if not math.isfinite(cell):
            return "is not finite"
        return None if abs(cell) <= largest else f"is out of range: {_shown(cell)}"

    return check


def _int_check(least: int, largest: int) -> Check:
    def check(cell: Any) -> str | None:
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            return f"is {_shown(cell)}"
        if isinstance(cell, float) and not cell.is_integer():  # inf and nan are none either
            return f"is no whole number: {_shown(cell)}"
        return None if least <= cell <= largest else f"is out of range: {_shown(cell)}"

    return check


def _shown(cell: Any) -> str:
    if cell is None:
        return "null"
    if isinstance(cell, str):
        return f"the text {cell[:40]!r}"
    if isinstance(cell, bool):
        return f"the boolean {str(cell).lower()}"
    if isinstance(cell, int | float):
        return repr(cell)[:40]
    return "a list" if isinstance(cell, list) else "an object"
