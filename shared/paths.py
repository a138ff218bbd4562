"""Paths that come from outside: '/'-separated, relative, and never out of the folder they are relative to."""

from __future__ import annotations

import posixpath

MAX_PATH_LENGTH = 1024
RULE = (
    "a relative path with '/' between its parts; no '..', no part that starts with '.', no backslash, colon or control "
    f"character, at most {MAX_PATH_LENGTH} characters"
)


def is_safe_path(path: str) -> bool:
    """Whether `path` keeps RULE as it stands (already normal: no empty or '.' parts)."""
    if not path or len(path) > MAX_PATH_LENGTH or not path.isprintable():
        return False
    if any(character in path for character in "\\:"):
        return False
    return all(part and not part.startswith(".") and len(part.encode()) <= 255 for part in path.split("/"))


def normal_path(path: str) -> str | None:
    """`path` without './' and doubled or trailing slashes, "" for the folder itself; None when it is not safe."""
    normal = posixpath.normpath(path) if path else "."
    if path.startswith("/"):
        return None
    if normal == ".":
        return ""
    return normal if is_safe_path(normal) else None


def is_under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` itself or inside it; everything is inside ""."""
    return not folder or path == folder or path.startswith(folder + "/")
