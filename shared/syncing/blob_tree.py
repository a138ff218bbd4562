"""The files of a container, or of a folder of one, as they are applied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence

from shared.errors import NotFound, TooLarge
from shared.ports import ArtifactStore, BlobInfo, Container, UploadArea
from shared.resources.sync import Provenance
from shared.syncing.tree import SourceTree

CONFIG: Container = "config"  # the container whose declared files are so, and the source of what they declare
CONFIG_PROVENANCE = Provenance(source=CONFIG)
MAX_READ_BYTES = 1024 * 1024  # of one file; a larger one is opened when it is needed
MAX_ALL_BYTES = 64 * 1024 * 1024  # of all that is read at once


def state_of(blobs: Sequence[BlobInfo]) -> str:
    """The name of a state of the container, as a commit names one of a repository (64 hexadecimal digits)."""
    return hashlib.sha256(json.dumps([(blob.path, blob.etag) for blob in blobs]).encode()).hexdigest()


async def tree_of(
    container: Container, blobs: Sequence[BlobInfo], uploads: UploadArea, artifacts: ArtifactStore, *, folder: str = ""
) -> SourceTree:
    """The blobs, by their paths below `folder`, small ones read. What was replaced or taken away since it was listed is
    left out. Raises Retryable for a file that is being written."""
    prefix = f"{folder}/" if folder else ""
    by_path = {blob.path.removeprefix(prefix): blob for blob in blobs}
    files: dict[str, bytes] = {}
    skipped: dict[str, str] = {}
    left = MAX_ALL_BYTES
    for path, blob in by_path.items():
        if blob.size_bytes > min(MAX_READ_BYTES, left):
            continue
        try:
            _, files[path] = await uploads.read_blob(container, blob.path, max_bytes=MAX_READ_BYTES)
            left -= len(files[path])
        except (NotFound, TooLarge):
            skipped[path] = "it was replaced or taken away just now"

    async def open_file(path: str) -> AsyncIterator[bytes]:
        if path not in by_path:
            raise NotFound(f"{path} is not in the container {container}")
        stored = await artifacts.adopt(container, by_path[path])
        async for chunk in artifacts.read(stored.sha256):
            yield chunk

    large = {path: blob.size_bytes for path, blob in by_path.items() if path not in files and path not in skipped}
    return SourceTree(files, large, skipped=skipped, open_file=open_file)
