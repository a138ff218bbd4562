"""What schemathesis need not try: values that do not arrive as it thinks of them. Loaded by SCHEMATHESIS_HOOKS."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def filter_query(context: Any, query: dict[str, Any] | None) -> bool:
    """Not null, nor lists and objects with nothing in them: they are sent as `limit=`, and every parameter of a query
    may be empty (allowEmptyValue), which is as if it were left out."""
    return all(_is_seen(value) for value in (query or {}).values())


def _is_seen(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(_is_seen(each) for each in (value.values() if isinstance(value, dict) else value))
    return value is not None and value != ""
