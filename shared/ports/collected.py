"""Where deployments collect what they are asked and answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.resources.collection_window import CollectedFile


class CollectedSource(Protocol):
    """Collected data: a folder of this machine, a container of Blob Storage."""

    async def files(self, collection: str, start: datetime, end: datetime) -> list[CollectedFile]:
        """The files of ENDPOINT/DEPLOYMENT/COLLECTION that may hold rows from `start` to before `end`, in the order of
        their paths; [] where nothing was collected. Files without a byte are none yet."""
        ...

    async def fetch(self, collection: str, files: Sequence[CollectedFile], folder: Path) -> dict[str, Path]:
        """Where the content of these files can be read now, by their paths: copies below `folder` where it lies
        elsewhere. A file that is gone is left out."""
        ...
