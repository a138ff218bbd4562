"""The files of one place at one moment, as they are applied."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from shared.errors import NotFound
from shared.paths import is_under
from shared.ports import Snapshot

OpenFile = Callable[[str], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class SourceTree:
    """Files by '/'-separated path, small ones with their bytes, large ones to be opened."""

    files: Mapping[str, bytes]
    large: Mapping[str, int] = field(default_factory=dict)  # path -> size in bytes
    lfs_pointers: frozenset[str] = frozenset()  # paths in `files` that hold a Git LFS pointer in place of the content
    skipped: Mapping[str, str] = field(default_factory=dict)  # path -> why it is not here
    open_file: OpenFile | None = None  # the bytes of a large file

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot, open_file: OpenFile, folder: str = "") -> SourceTree:
        """The files of a commit below `folder` ("" or ".": all), by their paths relative to it."""
        folder = "" if folder in ("", ".") else posixpath.normpath(folder)
        cut = len(folder) + 1 if folder else 0

        def inside(paths: Mapping[str, object] | frozenset[str]) -> list[str]:
            return [path for path in paths if is_under(path, folder) and len(path) > cut]

        return cls(
            {path[cut:]: snapshot.files[path] for path in inside(snapshot.files)},
            {path[cut:]: snapshot.large[path].size_bytes for path in inside(snapshot.large)},
            frozenset(path[cut:] for path in inside(snapshot.lfs_pointers)),
            {path[cut:]: snapshot.skipped[path] for path in inside(snapshot.skipped)},
            lambda path: open_file(f"{folder}/{path}" if folder else path),
        )

    @property
    def paths(self) -> list[str]:
        """Every path that has content, sorted."""
        return sorted({*self.files, *self.large})

    def under(self, path: str) -> list[str]:
        """The file at `path`, or every file in that folder, sorted; [] when there is none. "" is the whole tree."""
        return [one for one in self.paths if is_under(one, path)]

    async def chunks(self, path: str) -> AsyncIterator[bytes]:
        """The bytes of a file. Raises NotFound when it is not here."""
        if path in self.files:
            yield self.files[path]
        elif path in self.large and self.open_file is not None:
            async for chunk in self.open_file(path):
                yield chunk
        else:
            raise NotFound(f"{path} is not among the files")
