"""Values of documents as Cosmos DB's SQL compares them: between different types every comparison is undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Undefined:
    """The value of a property that is not there."""


UNDEFINED = Undefined()
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<>": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


def value_at(row: dict[str, Any], path: tuple[str, ...]) -> Any:
    """What is at the path, or UNDEFINED."""
    value: Any = row
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNDEFINED
        value = value[name]
    return value


def _type(value: Any) -> str:
    if value is None or isinstance(value, bool | str | Undefined):
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "other"


def compare(sign: str, left: Any, right: Any) -> Any:
    kind = _type(left)
    if kind != _type(right) or kind in ("Undefined", "other") or (kind == "NoneType" and sign not in ("=", "!=")):
        return UNDEFINED
    return COMPARISONS[sign](left, right)


def starts_with(text: Any, prefix: Any) -> Any:
    return text.startswith(prefix) if isinstance(text, str) and isinstance(prefix, str) else UNDEFINED


def array_contains(array: Any, value: Any) -> Any:
    return any(compare("=", item, value) is True for item in array) if isinstance(array, list) else UNDEFINED
