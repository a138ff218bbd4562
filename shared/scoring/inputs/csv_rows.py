"""CSV bodies with a header line (RFC 4180)."""

from __future__ import annotations

import csv
import io
from typing import Any

from shared.scoring.errors import BadRequest, InputFault, InvalidInput
from shared.scoring.inputs.forms import Table
from shared.scoring.models.signature import Layout, Signature

_TRUE_FALSE = {"true": True, "false": False}


def parse(body: bytes, signature: Signature) -> Table:
    """The table; cells are read as the column's type, and an empty cell stays None. Columns of another name than the
    model's are left as texts for the check of names. Raises BadRequest for bytes that are no CSV in UTF-8, and
    InvalidInput for a body without a line of data."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"the body is no CSV in UTF-8: {error}") from None
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise InvalidInput("CSV needs a header line and at least one line of data")
    columns = lines[0]
    faults = [
        InputFault(f"{len(line)} cells", row=index, expected=f"{len(columns)} cells")
        for index, line in enumerate(lines[1:])
        if len(line) != len(columns)
    ]
    if faults:
        raise InvalidInput("lines differ in their number of cells", faults=tuple(faults[:20]))
    texts = _text_columns(columns, signature)
    return Table(columns, [[_cell(cell, texts[i]) for i, cell in enumerate(line)] for line in lines[1:]])


def _text_columns(columns: list[str], signature: Signature) -> list[bool]:
    if signature.layout is Layout.COLUMNS:
        types = {each.name: each.dtype for each in signature.inputs}
        return [types.get(name) == "object" for name in columns]
    return [signature.inputs[0].dtype == "object"] * len(columns)


def _cell(cell: str, is_text: bool) -> Any:
    if is_text:
        return cell
    if cell == "":
        return None
    try:
        return int(cell)
    except ValueError:
        pass
    try:
        return float(cell)
    except ValueError:
        return _TRUE_FALSE.get(cell.lower(), cell)
