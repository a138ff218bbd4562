"""Sees the files that people drop into data_dir/uploads and data_dir/config, and those that deployments collect to
data_dir/collected, and announces each complete one as Blob Storage would."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from shared.adapters.local.announced_blobs import announced_in
from shared.adapters.local.blob_folders import blob_etag, info_of, is_path_open_for_writing, is_settled, scan
from shared.errors import SlipwayError
from shared.local_host.blob_events import blob_created
from shared.ports import BlobInfo
from shared.resources.events import Event

CONCURRENT = 16  # announcements at a time
SCAN_SHARE = 0.1  # of the time, at most, goes into scanning
MAX_INTERVAL_S = 5.0
_log = logging.getLogger(__name__)


class UploadWatcher:
    """Announces every (path, ETag) at least once, and once only unless the process ends between announcing it and
    noting that. Hidden files, links and names that break the rule for paths are ignored."""

    def __init__(
        self,
        data_dir: Path,
        on_blob_created: Callable[[Event], Awaitable[None]],
        *,
        container: str = "uploads",
        poll_s: float = 0.25,
        settle_s: float = 0.3,
        max_interval_s: float = MAX_INTERVAL_S,
    ) -> None:
        """A file is complete when nothing has changed it for `settle_s`."""
        self._data_dir = data_dir
        self._container = container
        self._root = data_dir / container
        self._announced = announced_in(data_dir, container)
        self._on_blob_created = on_blob_created
        self._poll_s = poll_s
        self._settle_s = settle_s
        self._max_interval_s = max_interval_s
        self._scan_s = 0.0

    async def run(self) -> None:
        """Watch until cancelled. The folder is made when it is not there."""
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
        try:
            while True:
                await self._look_and_wait()
        finally:
            await self._announced.close()

    async def _look_and_wait(self) -> None:
        try:
            await self.look()
            pause_s = min(max(self._poll_s, self._scan_s / SCAN_SHARE), self._max_interval_s)
        except (SlipwayError, OSError) as error:
            _log.error("%s could not be looked at, it is tried again in %g s: %s", self._root, MAX_INTERVAL_S, error)
            pause_s = MAX_INTERVAL_S
        await asyncio.sleep(pause_s)

    async def look(self) -> int:
        """Scan once and announce what is new and complete; how many were. What could not be announced (the callback
        raised SlipwayError) is tried at the next look."""
        known = await self._announced.etags()
        complete, gone = await asyncio.to_thread(self._changes, dict(known))
        noted: dict[str, str] = {}
        gate = asyncio.Semaphore(CONCURRENT)
        try:
            async with asyncio.TaskGroup() as tasks:
                for blob in complete:
                    if not self._announced.is_claimed(blob.path, blob.etag):
                        tasks.create_task(self._announce(blob, gate, noted))
        finally:
            await self._announced.note(noted)
        await self._announced.forget(gone)
        return len(noted)

    def _changes(self, known: dict[str, str]) -> tuple[list[BlobInfo], list[str]]:
        started_at = time.monotonic()
        complete = []
        for path, state in scan(self._root):
            etag = blob_etag(self._data_dir, state)
            is_new = known.pop(path, None) != etag and is_settled(state, self._settle_s)
            if is_new and not is_path_open_for_writing(self._root, path):
                complete.append(info_of(path, state, etag))
        self._scan_s = time.monotonic() - started_at
        return sorted(complete, key=lambda blob: blob.path), list(known)

    async def _announce(self, blob: BlobInfo, gate: asyncio.Semaphore, noted: dict[str, str]) -> None:
        async with gate:
            with self._announced.claim(blob.path, blob.etag):
                try:
                    await self._on_blob_created(blob_created(self._container, blob))
                except SlipwayError as error:
                    _log.warning("the file %s could not be announced, it is tried again: %s", blob.path, error)
                    return
            noted[blob.path] = blob.etag
