"""What may be in an archive: pure rules over the list of its members."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import Fault
from shared.paths import PATH_RULE, is_valid_path, normal_path

APPLE_FOLDER = "__MACOSX"  # resource forks that macOS adds to zip files


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive."""

    index: int  # its place in the archive
    path: str  # as it is written there, without leading './' and a folder's trailing '/'
    size_bytes: int  # as it claims
    is_folder: bool = False
    refusal: str = ""  # why its kind is not accepted: "is a symbolic link"


def is_skipped(path: str) -> bool:
    """Whether it is a hidden file or one of macOS's additions; '..' is not hidden, it is refused, and so is '.'
    within a path."""
    parts = path.split("/")
    if "." in parts or ".." in parts:
        return False
    return parts[0] == APPLE_FOLDER or any(part.startswith(".") for part in parts)


def check_members(members: Sequence[Member]) -> list[Fault]:
    """Every fault: kinds and paths that are not accepted, and paths that are one on some file system."""
    faults = [Fault(f"{member.path[:200]!r} {member.refusal}") for member in members if member.refusal]
    faults += [
        Fault(f"the path {member.path[:200]!r} is not accepted", allowed=PATH_RULE)
        for member in members
        if not _is_acceptable(member)
    ]
    return faults + _collisions([member for member in members if not is_skipped(member.path)])


def _is_acceptable(member: Member) -> bool:
    path = member.path
    if member.is_folder and not path:
        return True  # './', the archive's root
    if is_skipped(path):
        return not path.startswith("/") and "\\" not in path
    return is_valid_path(path) and normal_path(path) == path  # which 'C:' is not


def _collisions(members: Sequence[Member]) -> list[Fault]:
    """Equal without regard to case and Unicode's forms (UAX #15), as on Windows and macOS; a file that is a folder."""
    seen: dict[str, str] = {}
    faults = []
    files = [member for member in members if not member.is_folder]
    for member in files:
        key = _folded(member.path)
        if key in seen:
            faults.append(Fault(f"{member.path[:200]!r} and {seen[key][:200]!r} are the same file"))
        seen.setdefault(key, member.path)
    folders = {_folded(member.path) for member in members if member.is_folder}
    for key in list(seen):
        parts = key.split("/")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return faults + [Fault(f"{seen[key][:200]!r} is a file and a folder") for key in sorted(folders & seen.keys())]


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
