"""What deployments collected, in the container `collected` of Blob Storage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.azure.errors import translated
from shared.errors import NotFound
from shared.monitors.collected_layout import folders_of, is_needed
from shared.monitors.windows import Window
from shared.paths import is_valid_path
from shared.resources.collection_window import CollectedFile

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient

COLLECTED = "collected"


class CollectedData:
    """A CollectedSource. `service` comes from open_blob_service and stays the caller's to close."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    async def files(self, collection: str, start: datetime, end: datetime) -> list[CollectedFile]:
        """See CollectedSource."""
        container, found, window = (
            self._service.get_container_client(COLLECTED),
            list[CollectedFile](),
            Window(start, end),
        )
        for day in folders_of(window):
            with translated(f"listing what {collection} collected"):
                async for blob in container.list_blobs(name_starts_with=f"{collection}/{day}/"):
                    name = blob.name.removeprefix(f"{collection}/")
                    if blob.size and is_valid_path(blob.name) and is_needed(name, window):
                        etag = str(blob.etag).strip('"')
                        found.append(CollectedFile(path=name, size_bytes=blob.size, etag=etag))
        return sorted(found, key=lambda file: file.path.split("/"))

    async def fetch(self, collection: str, files: Sequence[CollectedFile], folder: Path) -> dict[str, Path]:
        """See CollectedSource. What is in the folder already is taken as it is."""
        container, found = self._service.get_container_client(COLLECTED), {}
        for file in files:
            path = folder / collection / file.path
            if await _fetched(container, f"{collection}/{file.path}", path):
                found[file.path] = path
        return found


async def _fetched(container: ContainerClient, name: str, path: Path) -> bool:
    """Whether it is there: a lifecycle rule may have taken it since it was listed."""
    if path.exists():
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with translated(f"reading {COLLECTED}/{name}"), part.open("wb") as out:
            download = await container.download_blob(name, max_concurrency=1, decompress=False)
            async for chunk in download.chunks():
                out.write(chunk)
    except NotFound:
        part.unlink()
        return False
    part.rename(path)
    return True
