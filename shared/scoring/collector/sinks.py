"""Where collected lines are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

Complain = Callable[[str], None]  # something does not work, and is tried again


class Sink(Protocol):
    """Appends lines to a file by its path. Called by one thread."""

    gather_s: float  # how long lines may be gathered before they are appended

    def append(self, path: str, lines: bytes) -> None:
        """Raises OSError when it can't; then none, or a part, of the lines is there."""
        ...


class FolderSink:
    """Files in a folder; folders on the way are made."""

    gather_s = 0.0

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


def sink_of(place: dict[str, Any], complain: Complain) -> Sink:
    """The sink of a plan's destination. Raises OSError when it can't be used."""
    if "folder" in place:
        return FolderSink(Path(place["folder"]))
    from shared.scoring.collector.blob_http import BlobContainer
    from shared.scoring.collector.blob_sink import BlobSink

    return BlobSink(BlobContainer(**place), complain)
