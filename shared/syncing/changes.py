"""What is different between a spec that is so and one that is declared: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.declarations.source import escape
from shared.resources.sync import Change

_ABSENT = object()


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every place where the two differ, in the order of `after`, then what is gone. Lists are compared whole, but for
    lists of files, which are compared by path."""
    return list(_changes(_comparable(before), _comparable(after), ""))


def _comparable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec without `references`, which follow from the declaration, with files as path -> digest."""
    found = {
        key: value for key, value in spec.items() if key not in ("references", "files") and value not in ({}, None)
    }
    files = {file["path"]: f"sha256:{file['sha256']}" for file in spec.get("files") or ()}
    return {**found, **({"files": files} if files else {})}


def _changes(before: Any, after: Any, pointer: str) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*after, *(key for key in before if key not in after)]:
            yield from _changes(before.get(key, _ABSENT), after.get(key, _ABSENT), f"{pointer}/{escape(str(key))}")
    elif before is _ABSENT or after is _ABSENT or before != after:
        yield Change(
            pointer=pointer,
            before=None if before is _ABSENT else before,
            after=None if after is _ABSENT else after,
        )
