"""Bindings in declared texts: `${{...}}` and optional arguments `$[[...]]`, checked for their form.

Source: CLI v2 reference, "core syntax" and "expression syntax for configuring jobs and components".
"""

from __future__ import annotations

import re

ROOTS = ("inputs", "outputs", "parent", "search_space", "name", "default_datastore", "creation_context")
_SINGLE = frozenset({"name", "default_datastore"})
_MEMBERS = {"creation_context": ("trigger_time",)}
_PARENT = ("inputs", "outputs", "jobs")
_PART = re.compile(r"[a-zA-Z_][a-zA-Z0-9_\-]*\Z")
BINDING_RULE = (
    "${{inputs.NAME}}, ${{outputs.NAME}}, ${{parent.inputs.NAME}}, ${{parent.outputs.NAME}}, "
    "${{parent.jobs.NODE.outputs.NAME}}, ${{search_space.NAME}}, ${{name}}, ${{default_datastore}}, "
    "${{creation_context.trigger_time}}"
)


def is_binding(value: object) -> bool:
    """Whether `value` is a text with a binding in it."""
    return isinstance(value, str) and "${{" in value


def bindings(text: str) -> list[tuple[str, ...]]:
    """The path of every binding in `text`, in order: ("inputs", "x"). Raises ValueError for one that is not closed, is
    empty, or begins with an unknown root."""
    found, at = [], 0
    while (begin := text.find("${{", at)) >= 0:
        end = text.find("}}", begin)
        if end < 0:
            raise ValueError("a binding `${{` is not closed with `}}`")
        found.append(_path(text[begin + 3 : end].strip()))
        at = end + 2
    _check_optional(text)
    return found


def _path(expression: str) -> tuple[str, ...]:
    parts = tuple(expression.split("."))
    if not all(_PART.match(part) for part in parts):
        raise ValueError(f"`${{{{{expression}}}}}` is not a binding")
    root, *rest = parts
    if root not in ROOTS:
        raise ValueError(f"`${{{{{expression}}}}}` begins with the unknown {root!r}")
    if not _complete(root, rest):
        raise ValueError(f"`${{{{{expression}}}}}` does not name one value")
    return parts


def _complete(root: str, rest: list[str]) -> bool:
    if root in _SINGLE:
        return not rest
    if root in _MEMBERS:
        return len(rest) == 1 and rest[0] in _MEMBERS[root]
    if root == "parent":
        return len(rest) >= 2 and rest[0] in _PARENT
    return bool(rest)


def _check_optional(text: str) -> None:
    depth = 0
    for mark in re.findall(r"\$\[\[|\]\]", text):
        if mark == "$[[":
            depth += 1
            if depth > 1:
                raise ValueError("an optional argument `$[[...]]` stands inside another one")
        elif depth:
            depth -= 1
    if depth:
        raise ValueError("an optional argument `$[[` is not closed with `]]`")
