"""The container `config`: whatever declared files lie there are so, with the files they name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence

from shared.errors import NotFound, TooLarge
from shared.ports import ArtifactStore, BlobInfo, UploadArea
from shared.resources.sync import Provenance
from shared.syncing.tree import SourceTree

CONFIG = "config"  # the container, and the source of what its files declare
MAX_READ_BYTES = 1024 * 1024  # of one file; a larger one is opened when it is needed
MAX_ALL_BYTES = 64 * 1024 * 1024  # of all that is read at once
PROVENANCE = Provenance(source=CONFIG)


async def blobs_of(uploads: UploadArea) -> tuple[BlobInfo, ...]:
    """What lies in the container, by path."""
    return await uploads.list_blobs("config", "")


def state_of(blobs: Sequence[BlobInfo]) -> str:
    """The name of a state of the container, as a commit names one of a repository (64 hexadecimal digits)."""
    return hashlib.sha256(json.dumps([(blob.path, blob.etag) for blob in blobs]).encode()).hexdigest()


async def tree_of(blobs: Sequence[BlobInfo], uploads: UploadArea, artifacts: ArtifactStore) -> SourceTree:
    """The files, small ones read. What was replaced or taken away since it was listed is left out: its own event
    comes. Raises Retryable for a file that is being written."""
    by_path = {blob.path: blob for blob in blobs}
    files: dict[str, bytes] = {}
    skipped: dict[str, str] = {}
    left = MAX_ALL_BYTES
    for blob in blobs:
        if blob.size_bytes > min(MAX_READ_BYTES, left):
            continue
        try:
            _, files[blob.path] = await uploads.read_blob("config", blob.path, max_bytes=MAX_READ_BYTES)
            left -= len(files[blob.path])
        except (NotFound, TooLarge):
            skipped[blob.path] = "it was replaced or taken away just now"

    async def open_file(path: str) -> AsyncIterator[bytes]:
        if path not in by_path:
            raise NotFound(f"{path} is not in the container {CONFIG}")
        stored = await artifacts.adopt("config", by_path[path])
        async for chunk in artifacts.read(stored.sha256):
            yield chunk

    large = {blob.path: blob.size_bytes for blob in blobs if blob.path not in files and blob.path not in skipped}
    return SourceTree(files, large, skipped=skipped, open_file=open_file)
