"""How collected data come in: each blob in the container `collected` has its window looked at, where a monitor compares
it."""

from __future__ import annotations

from datetime import datetime

from shared.controllers.loop import Loop
from shared.monitors.collected_layout import folder_of, place_of
from shared.packaging.collection_windows import CollectionWindows
from shared.ports import WorkMessage
from shared.resources.base import Cause

COLLECTED = "collected"


class CollectionIntake:
    """Turns arrivals into windows: one for each hour, however many blobs and events there are of it."""

    def __init__(self, windows: CollectionWindows, loop: Loop) -> None:
        self._windows = windows
        self._loop = loop

    async def blob_created(self, path: str, at: datetime, cause: Cause) -> None:
        """A file of the container was written. An event that comes twice, late or out of order changes nothing; nor
        does one of a collection that no monitor compares with the sketch of a data asset."""
        place = place_of(path)
        if place is None:
            return
        key = await self._windows.note(place[0], folder_of(place[1]), at, cause)
        if key is not None:
            await self._loop.enqueue(WorkMessage(key))
