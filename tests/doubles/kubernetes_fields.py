"""Server-side apply: who owns which field (Kubernetes, "Server-Side Apply": field management, conflicts, merging).

Maps are merged; lists that Kubernetes keys (listType=map) are merged by their key; every other list is one value.
"""

from __future__ import annotations

import copy
import marshal
from typing import Any

Path = tuple[str, ...]
_KEYED = {
    "containers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
}


class Conflict(Exception):
    """Fields that other managers own, with theirs: path to manager."""

    def __init__(self, fields: dict[Path, str]) -> None:
        super().__init__(fields)
        self.fields = fields


class Fields:
    """The fields of one object."""

    def __init__(self) -> None:
        self.live: dict[Path, Any] = {}
        self.owners: dict[Path, set[str]] = {}
        self._packed: bytes | None = None  # the document; it is asked for more often than it changes

    def apply(self, document: dict[str, Any], manager: str, *, force: bool) -> None:
        """Raises Conflict without `force` when another manager owns what would change."""
        wanted = leaves(document)
        is_new = not self.live
        taken = {
            path: next(iter(others))
            for path, value in wanted.items()
            if path in self.live and self.live[path] != value and (others := self.owners.get(path, set()) - {manager})
        }
        if taken and not force:
            raise Conflict(taken)
        for path in [path for path, owners in self.owners.items() if manager in owners and path not in wanted]:
            self.owners[path].discard(manager)
            if not self.owners[path]:
                del self.owners[path]
                self.live.pop(path, None)
        self._packed = None
        for path, value in wanted.items():
            if path in taken:
                self.owners[path] = set()
            if not is_new:
                self._clear(path)
            self.live[path] = value
            self.owners.setdefault(path, set()).add(manager)

    def update(self, document: dict[str, Any], manager: str) -> None:
        """Another manager writes fields without applying: they are its alone."""
        self._packed = None
        for path, value in leaves(document).items():
            if self.live.get(path) != value:
                self._clear(path)
                self.live[path] = value
                self.owners[path] = {manager}

    def is_owner(self, manager: str) -> bool:
        """Whether the manager owns a field."""
        return any(manager in owners for owners in self.owners.values())

    def _clear(self, path: Path) -> None:
        """A leaf replaces what was below it, or above."""
        if path in self.live:
            return
        for other in [
            each for each in self.live if each != path and (each[: len(path)] == path or path[: len(each)] == each)
        ]:
            del self.live[other]
            self.owners.pop(other, None)

    def document(self) -> dict[str, Any]:
        """The object, for who asks to change as he likes."""
        if self._packed is None:
            self._packed = marshal.dumps(built(self.live))
        found: dict[str, Any] = marshal.loads(self._packed)
        return found


def leaves(document: Any, path: Path = ()) -> dict[Path, Any]:
    """Every field with a value of its own; keyed items are `[KEY=VALUE]` in paths."""
    if isinstance(document, dict) and document:
        found: dict[Path, Any] = {}
        for key, value in document.items():
            found |= leaves(value, (*path, key))
        return found
    key = _KEYED.get(path[-1]) if path and isinstance(document, list) and document else None
    if key is not None and "spec" in path:
        found = {}
        for item in document:
            found |= leaves(item, (*path, f"[{key}={item[key]}]"))
        return found
    return {path: copy.deepcopy(document)}


def built(fields: dict[Path, Any]) -> dict[str, Any]:
    """The document of these fields, keyed items in the order in which they came."""
    root: dict[str, Any] = {}
    for path, value in fields.items():
        place = root
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place[path[-1]] = copy.deepcopy(value)
    return _listed(root)  # type: ignore[no-any-return]


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.startswith("[") for key in node):
        return [_listed(value) for value in node.values()]
    return {key: _listed(value) for key, value in node.items()}
