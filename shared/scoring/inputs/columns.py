"""The names of a table's columns against those of the model."""

from __future__ import annotations

from shared.scoring.errors import InputFault, InvalidInput
from shared.scoring.models.signature import Layout, Signature


def order_of(given: list[str], signature: Signature) -> list[int] | None:
    """For each column of the model its place in the given table; None when they are in order, or when the model names
    no columns and they are taken by position. Raises InvalidInput for missing, unknown and repeated ones."""
    wanted = signature.columns
    if not wanted:
        if signature.width not in (None, len(given)):
            raise InvalidInput(f"there are {len(given)} columns; the model takes {signature.width}, by position")
        return None
    if tuple(given) == wanted:
        return None
    places = {name: index for index, name in enumerate(given)}
    faults = [
        InputFault("is missing", column=name, expected=_expected(name, signature))
        for name in wanted
        if name not in places
    ]
    known = set(wanted)
    faults += [InputFault("is unknown to the model", column=name) for name in given if name not in known]
    faults += [InputFault("is there twice", column=name) for name in places if given.count(name) > 1]
    if faults:
        names = ", ".join(sorted({str(fault.column) for fault in faults})[:20])
        raise InvalidInput(f"columns do not fit the model: {names}", faults=tuple(faults[:20]))
    return [places[name] for name in wanted]


def _expected(name: str, signature: Signature) -> str:
    if signature.layout is Layout.COLUMNS:
        return next(each.type_name for each in signature.inputs if each.name == name)
    return signature.inputs[0].type_name
