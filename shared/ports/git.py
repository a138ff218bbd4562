"""Repositories that declare things, and the hosts that are told what became of a commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from shared.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file of a snapshot whose bytes were not read into memory."""

    oid: str  # git's id of the blob
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files below the configured folders at one commit. Paths are relative to the repository's root, with `/`."""

    commit: str
    author_name: str
    author_email: str
    committed_at: datetime  # UTC
    subject: str  # first line of the message
    files: Mapping[str, bytes]
    large: Mapping[str, LargeFile]  # over the size limit: read with GitRemote.open_file
    skipped: Mapping[str, str]  # path -> why it was not read: a symlink, a submodule, a name that is not safe
    lfs_pointers: frozenset[str]  # paths in `files` that hold a Git LFS pointer in place of the content

    def exists(self, path: str) -> bool:
        """Whether there is a regular file, of any size, at `path`."""
        return path in self.files or path in self.large

    def read_text(self, path: str) -> str:
        """The file as UTF-8. Raises NotFound when it is not in `files`, Invalid when it is not UTF-8."""
        if path not in self.files:
            raise NotFound(f"{path} is not a file within the limits at commit {self.commit}")
        try:
            return self.files[path].decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"{path} is not UTF-8") from error


class GitRemote(Protocol):
    """One repository and its configured folders. All raise Unauthorized, NotFound, Retryable; none names the token."""

    async def resolve(self, ref: str) -> str | None:
        """The commit id of a branch or tag (full ref name) now; None when it is gone."""
        ...

    async def snapshot(self, commit: str) -> Snapshot:
        """The files at `commit` (full id). Raises Invalid over a limit.

        A commit that the remote lacks is NotFound; Retryable where it only hangs up, as git http-backend does."""
        ...

    def open_file(self, commit: str, path: str) -> AsyncIterator[bytes]:
        """The bytes of one file in chunks. Raises NotFound at the first chunk."""
        ...

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is `newer` or reachable from it. Raises Invalid when the history within limits can't tell."""
        ...


CommitState = Literal["pending", "success", "failure", "error"]


class CommitReporter(Protocol):
    """Tells a git host how a commit fared. Both return False when nothing is configured to report with."""

    async def report(
        self, commit: str, state: CommitState, description: str, target_url: str, context: str = "slipway"
    ) -> bool:
        """Set the commit's status `context`; the description is cut to 140 characters."""
        ...

    async def comment(self, pull_request: int, text: str) -> bool:
        """Add a comment to a pull or merge request."""
        ...
