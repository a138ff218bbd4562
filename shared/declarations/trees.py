"""Where declared files and what they name are: a working copy, a git snapshot, a folder of blobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class FileTree(Protocol):
    """Files and folders by '/'-separated paths relative to a root; "" is the root."""

    open_ended: bool  # whether paths may leave the root: only on the disk of the user who asks

    def exists(self, path: str) -> bool:
        """Whether a file or a folder is there."""

    def read_text(self, path: str) -> str:
        """The file's text. Raises OSError when it cannot be read, ValueError when it is not UTF-8."""


class DiskTree:
    """The disk of the user who runs the command."""

    open_ended = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def exists(self, path: str) -> bool:
        """Whether a file or a folder is there."""
        return (self._root / path).exists()

    def read_text(self, path: str) -> str:
        """The file's text. Raises OSError or UnicodeDecodeError (a ValueError)."""
        return (self._root / path).read_text(encoding="utf-8")


class MemoryTree:
    """Files whose texts are at hand: of a commit, or of a folder of blobs. Nothing outside it is seen."""

    open_ended = False

    def __init__(self, texts: Mapping[str, str | None]) -> None:
        """`texts` by path; None for a file that is there and is not read here (code, models)."""
        self._texts = dict(texts)
        self._folders = {""} | {"/".join(path.split("/")[:n]) for path in texts for n in range(1, path.count("/") + 1)}

    def exists(self, path: str) -> bool:
        """Whether a file or a folder is there."""
        return path in self._texts or path in self._folders

    def read_text(self, path: str) -> str:
        """The file's text. Raises OSError when it is not at hand."""
        text = self._texts.get(path)
        if text is None:
            raise OSError(f"{path} is not at hand as text")
        return text
