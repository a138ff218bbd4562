"""A loaded file against the shape of its kind: every fault at once, each with its place."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.declarations.hints import hint
from shared.declarations.shape_at import shape_at
from shared.declarations.source import Source, escape, load_source
from shared.errors import Fault, Invalid
from shared.resources.base import NAME_PATTERN, NAME_RULE, Document

D = TypeVar("D", bound=Document)
MAX_FAULTS = 100  # of one file; more help nobody


def load_declaration(text: str, file: str, shape: type[D]) -> D:
    """The declaration in `text` (YAML or JSON). Raises Invalid with every fault, each with file:line:column."""
    return validate(load_source(text, file), shape)


def validate(source: Source, shape: type[D], context: Any = None) -> D:
    """The declaration in a loaded document; `context` is what is around it (shared.resources.shapes.Surroundings).
    Raises Invalid with every fault."""
    if not isinstance(source.value, dict):
        raise not_a_mapping(source)
    try:
        return shape.model_validate(source.value, context=context)
    except ValidationError as error:
        details = _one_of_a_place(error.errors(include_url=False))
        faults = tuple(fault for detail in details[:MAX_FAULTS] for fault in _faults(source, shape, detail))
        if len(details) > MAX_FAULTS:
            faults += (Fault(f"and {len(details) - MAX_FAULTS} more faults", file=source.file),)
        remedy = "correct the file and upload it again"
        raise Invalid(f"{source.file} is not a valid declaration", faults=faults, remedy=remedy) from error


_TYPES = {
    "string_type": "a text",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def _one_of_a_place(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """The details, those of the branches of one union (`str | int`) made into one, with what each would accept."""
    places: dict[tuple[int | str, ...], list[ErrorDetails]] = {}
    for detail in details:
        branch = (
            detail["type"] in _TYPES and bool(detail["loc"]) and detail["loc"][-1] in ("str", "int", "float", "bool")
        )
        places.setdefault(detail["loc"][:-1] if branch else detail["loc"], []).append(detail)
    found = []
    for loc, alike in places.items():
        types = list(dict.fromkeys(_TYPES[detail["type"]] for detail in alike if detail["type"] in _TYPES))
        if len(alike) > 1 and len(types) > 1:
            message = f"{_show(alike[0].get('input'))}: not accepted"
            context = {"told": message, "allowed": " or ".join(types), "at": ""}
            found.append(ErrorDetails(type="told", loc=loc, msg=message, input=alike[0].get("input"), ctx=context))
        else:
            found += alike
    return found


def not_a_mapping(source: Source) -> Invalid:
    """The error for a document that is a list, a text, or nothing."""
    found = "nothing" if source.value is None else f"a {type(source.value).__name__}"
    fault = source.fault("", f"the file holds {found}", "a mapping of keys to values")
    return Invalid(f"{source.file} is not a declaration", faults=(fault,))


def _faults(source: Source, shape: type[Document], detail: ErrorDetails) -> tuple[Fault, ...]:
    """What pydantic found, as faults of the file; a nested file's faults are its own."""
    context = detail.get("ctx", {})
    pointer = _pointer(source.value, detail["loc"])
    if detail["type"] != "told":
        return (_fault(source, shape, detail, pointer),)
    if context.get("faults"):
        return tuple(context["faults"])
    if context["at"]:
        pointer += f"/{escape(context['at'])}"
    return (source.fault(pointer, context["told"], context["allowed"]),)


def _fault(source: Source, shape: type[Document], detail: ErrorDetails, pointer: str) -> Fault:
    name = str(detail["loc"][-1]) if detail["loc"] else ""
    if detail["type"] == "missing":
        return source.fault(pointer, f"{name!r} is missing", _describe(shape_at(shape, detail["loc"][:-1]), name))
    if detail["type"] == "extra_forbidden":
        known = sorted(_keys(shape_at(shape, detail["loc"][:-1])))
        message = (
            f"{name!r} is not a key of this kind of file" if len(detail["loc"]) == 1 else f"{name!r} is no key here"
        )
        return source.fault(pointer, message + hint(name, known), ", ".join(known))
    allowed = _allowed(detail)
    why = "not accepted" if allowed else f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return source.fault(pointer, f"{_show(detail.get('input'))}: {why}", allowed)


def _pointer(value: Any, loc: tuple[int | str, ...]) -> str:
    """The JSON pointer of a pydantic location, leaving out the parts that name union branches ("<tag>") or map keys."""
    pointer = ""
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if _is_tag(part):
            continue
        if isinstance(value, dict) and (str(part) in value or last):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        pointer += f"/{escape(str(part))}"
    return pointer


def _is_tag(part: int | str) -> bool:
    return (isinstance(part, str) and part.startswith("<") and part.endswith(">")) or part == "[key]"


def _keys(shape: type[Document] | None) -> list[str]:
    return [field.alias or key for key, field in shape.model_fields.items()] if shape else []


def _describe(shape: type[Document] | None, name: str) -> str | None:
    fields = shape.model_fields.items() if shape else ()
    field = next((f for key, f in fields if name in (key, f.alias)), None)
    return field.description if field else None


_PATTERNS = {
    NAME_PATTERN: NAME_RULE,
    r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$": "letters, digits and '-', the first a letter, the last no '-'",
    r"^[a-z][a-z0-9_]{0,254}$": "1 to 255 lowercase letters, digits or '_', the first a letter",
}


def _allowed(detail: ErrorDetails) -> str | None:
    context = detail.get("ctx", {})
    if context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]
    return str(context["expected"]) if "expected" in context else None


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
