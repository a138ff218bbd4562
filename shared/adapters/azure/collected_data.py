"""What deployments collected, from the container `collected` of Blob Storage into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.azure.errors import translated
from shared.errors import NotFound
from shared.monitors.collected_layout import folders_of, is_needed
from shared.monitors.windows import Window
from shared.paths import is_valid_path

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient

COLLECTED = "collected"


class CollectedData:
    """`service` comes from open_blob_service and stays the caller's to close."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    async def fetch(self, collection: str, window: Window, folder: Path) -> int:
        """Put the files of ENDPOINT/DEPLOYMENT/COLLECTION that may hold rows of the window below `folder`, by the same
        paths; how many there are. What is there already is taken as it is."""
        container, count = self._service.get_container_client(COLLECTED), 0
        for day in folders_of(window):
            with translated(f"listing what {collection} collected"):
                names = [blob.name async for blob in container.list_blobs(name_starts_with=f"{collection}/{day}/")]
            for name in names:
                if is_valid_path(name) and is_needed(name.removeprefix(f"{collection}/"), window):
                    count += await _fetched(container, name, folder / name)
        return count


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
