"""What deployments of this machine collected: files below data_dir/collected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from shared.adapters.local.blob_folders import etag_of
from shared.monitors.collected_layout import folders_of, is_needed
from shared.monitors.windows import Window
from shared.resources.collection_window import CollectedFile


class LocalCollected:
    """A CollectedSource. What is read is where it was written: nothing is copied."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def files(self, collection: str, start: datetime, end: datetime) -> list[CollectedFile]:
        """See CollectedSource."""
        return await asyncio.to_thread(lambda: list(_listed(self._root / collection, Window(start, end))))

    async def fetch(self, collection: str, files: Sequence[CollectedFile], folder: Path) -> dict[str, Path]:
        """See CollectedSource."""
        found = {file.path: self._root / collection / file.path for file in files}
        return {name: path for name, path in found.items() if path.is_file()}


def _listed(folder: Path, window: Window) -> Iterator[CollectedFile]:
    for day in folders_of(window):
        for path in sorted((folder / day).rglob("*.jsonl")):
            name = path.relative_to(folder).as_posix()
            if not is_needed(name, window):
                continue
            try:
                state = path.stat()
            except FileNotFoundError:
                continue  # removed since it was listed
            if state.st_size:
                yield CollectedFile(path=name, size_bytes=state.st_size, etag=etag_of(state))
