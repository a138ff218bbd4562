"""Reading a commit's tree into a snapshot, within limits. Nothing is written to disk, so names can do no harm there."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.errors import Invalid, NotFound
from shared.ports import LargeFile, Snapshot

_SUBMODULE = 0o160000
_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a repository is read."""

    files: int = 5_000  # below the folders
    entries: int = 100_000  # of all trees that are walked, so that a tree of trees ends
    file_bytes: int = 1024 * 1024  # larger files are listed, not read
    total_bytes: int = 64 * 1024 * 1024  # of `files`; what comes after is listed, not read
    pack_bytes: int = 512 * 1024 * 1024
    commits: int = 10_000  # of history, for the ancestor check
    timeout_s: float = 60


@dataclass(slots=True)
class _Reading:
    store: Any
    limits: Limits
    files: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, LargeFile] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    entries: int = 0
    read_bytes: int = 0

    def walk(self, tree_id: bytes, prefix: str, folders: list[str], depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            raise Invalid(f"{prefix} is nested deeper than {_MAX_DEPTH} folders")
        for entry in self.store[tree_id].iteritems():
            self.entries += 1
            if self.entries > self.limits.entries:
                raise Invalid(f"the commit has more than {self.limits.entries} entries below the configured folders")
            path = prefix + entry.path.decode("utf-8", "replace")
            if stat.S_ISDIR(entry.mode) and not any(_overlaps(path, folder) for folder in folders):
                continue
            if not stat.S_ISDIR(entry.mode) and not any(_is_below(path, folder) for folder in folders):
                continue
            reason = _reason_to_skip(entry.path, entry.mode)
            if reason:
                self.skipped[path] = reason
            elif stat.S_ISDIR(entry.mode):
                self.walk(entry.sha, f"{path}/", folders, depth + 1)
            else:
                self._take(path, entry.sha)

    def _take(self, path: str, oid: bytes) -> None:
        if len(self.files) + len(self.large) >= self.limits.files:
            raise Invalid(f"the commit has more than {self.limits.files} files below the configured folders")
        content = self.store[oid].as_raw_string()
        if len(content) > self.limits.file_bytes or self.read_bytes + len(content) > self.limits.total_bytes:
            self.large[path] = LargeFile(oid.decode(), len(content))
        else:
            self.read_bytes += len(content)
            self.files[path] = content


def read_snapshot(store: Any, commit_id: str, folders: list[str], limits: Limits) -> Snapshot:
    """The files of `commit_id` in dulwich's object store. Raises NotFound, and Invalid over a limit."""
    commit = find_commit(store, commit_id)
    reading = _Reading(store, limits)
    reading.walk(commit.tree, "", [_normal(folder) for folder in folders])
    name, _, email = commit.author.decode("utf-8", "replace").rpartition(" <")
    message = commit.message.decode("utf-8", "replace").splitlines()
    return Snapshot(
        commit=commit_id,
        author_name=name,
        author_email=email.rstrip(">"),
        committed_at=datetime.fromtimestamp(commit.commit_time, UTC),
        subject=message[0] if message else "",
        files=reading.files,
        large=reading.large,
        skipped=reading.skipped,
        lfs_pointers=frozenset(path for path, content in reading.files.items() if content.startswith(_LFS)),
    )


def find_commit(store: Any, commit_id: str) -> Any:
    """The commit object. Raises NotFound."""
    try:
        found = store[commit_id.encode()]
    except KeyError as error:
        raise NotFound(f"the repository does not have commit {commit_id}") from error
    if found.type_name != b"commit":
        raise NotFound(f"{commit_id} is not a commit")
    return found


def read_chunks(store: Any, commit_id: str, path: str, chunk_bytes: int = 1024 * 1024) -> Iterator[bytes]:
    """The bytes of the regular file at `path`. Raises NotFound."""
    mode, oid = stat.S_IFDIR, find_commit(store, commit_id).tree
    for part in path.encode().split(b"/"):
        if not stat.S_ISDIR(mode) or part not in store[oid]:
            raise NotFound(f"there is no file {path} at commit {commit_id}")
        mode, oid = store[oid][part]
    if not stat.S_ISREG(mode):
        raise NotFound(f"{path} at commit {commit_id} is not a regular file")
    content = store[oid].as_raw_string()
    for start in range(0, len(content), chunk_bytes):
        yield content[start : start + chunk_bytes]


def _reason_to_skip(name: bytes, mode: int) -> str | None:
    if mode == _SUBMODULE:
        return "a submodule, which is not fetched"
    if stat.S_ISLNK(mode):
        return "a symbolic link, which is not followed"
    if name.lower() in (b"", b".", b"..", b".git", b"git~1") or any(byte in name for byte in (b"/", b"\\", b"\0")):
        return "a name that is not safe"
    return None if _is_utf8(name) else "a name that is not UTF-8"


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _normal(folder: str) -> str:
    return "/".join(part for part in folder.split("/") if part not in ("", "."))


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _overlaps(path: str, folder: str) -> bool:
    return _is_below(path, folder) or path == folder or folder.startswith(f"{path}/")
