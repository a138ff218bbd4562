"""Where collected lines go."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Sink(Protocol):
    """Appends lines to a file by its path. Called by one thread."""

    def append(self, path: str, lines: bytes) -> None:
        """Raises OSError when it can't; then none, or a part, of the lines is there."""
        ...


class FolderSink:
    """Files in a folder; folders on the way are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, path: str, lines: bytes) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            before = file.tell()
            try:
                file.write(lines)
                file.flush()
            except OSError:
                file.truncate(before)  # no half line: those that read it later would trip over it
                raise
