"""A loaded file against the shape of its kind: every fault at once, each with its place."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.declarations.source import Source, escape, load_source
from shared.errors import Fault, Invalid
from shared.resources.base import NAME_PATTERN, NAME_RULE, Document

D = TypeVar("D", bound=Document)


def load_declaration(text: str, file: str, shape: type[D]) -> D:
    """The declaration in `text` (YAML or JSON). Raises Invalid with every fault, each with file:line:column."""
    return validate(load_source(text, file), shape)


def validate(source: Source, shape: type[D]) -> D:
    """The declaration in a loaded document. Raises Invalid with every fault."""
    if not isinstance(source.value, dict):
        found = "nothing" if source.value is None else f"a {type(source.value).__name__}"
        fault = source.fault("", f"the file holds {found}", "a mapping of keys to values")
        raise Invalid(f"{source.file} is not a declaration", faults=(fault,))
    try:
        return shape.model_validate(source.value)
    except ValidationError as error:
        faults = tuple(_fault(source, shape, detail) for detail in error.errors(include_url=False))
        remedy = "correct the file and upload it again"
        raise Invalid(f"{source.file} is not a valid declaration", faults=faults, remedy=remedy) from error


def _fault(source: Source, shape: type[Document], detail: ErrorDetails) -> Fault:
    pointer = _pointer(source.value, detail["loc"])
    name = str(detail["loc"][-1]) if detail["loc"] else ""
    if detail["type"] == "missing":
        return source.fault(pointer, f"{name!r} is missing", _describe(shape, name))
    if detail["type"] == "extra_forbidden":
        known = ", ".join(sorted(field.alias or key for key, field in shape.model_fields.items()))
        return source.fault(pointer, f"{name!r} is not a key of this kind of file", known)
    allowed = _allowed(detail)
    why = "not accepted" if allowed else f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return source.fault(pointer, f"{_show(detail.get('input'))}: {why}", allowed)


def _pointer(value: Any, loc: tuple[int | str, ...]) -> str:
    """The JSON pointer of a pydantic location, leaving out the parts that name union branches or map keys."""
    pointer = ""
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, dict) and (str(part) in value or last):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        pointer += f"/{escape(str(part))}"
    return pointer


def _describe(shape: type[Document], name: str) -> str | None:
    field = next((f for key, f in shape.model_fields.items() if name in (key, f.alias)), None)
    return field.description if field else None


def _allowed(detail: ErrorDetails) -> str | None:
    context = detail.get("ctx", {})
    if context.get("pattern") == NAME_PATTERN:
        return NAME_RULE
    return str(context["expected"]) if "expected" in context else None


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
