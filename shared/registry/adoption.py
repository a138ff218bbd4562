"""Taking files out of the upload area into the artifact store, for models and for runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.errors import Conflict, NotFound, Retryable
from shared.ports import ArtifactStore, BlobInfo, Container
from shared.resources.model import ModelFile


async def adopted(
    artifacts: ArtifactStore, container: Container, blobs: Mapping[str, BlobInfo]
) -> tuple[list[ModelFile], str | None]:
    """The files, stored, in the order of `blobs` (path -> blob); and the first path whose blob was replaced or taken
    away meanwhile, None when all are there."""
    files: list[ModelFile] = []
    for path, blob in blobs.items():
        try:
            artifact = await artifacts.adopt(container, blob)
        except (NotFound, Conflict):
            return files, path
        files.append(ModelFile(path=path, sha256=artifact.sha256, size_bytes=artifact.size_bytes))
    return files, None


def check_age(begun: datetime, now: datetime, retention_s: float) -> None:
    """Raises Retryable when files that no resource names yet were stored so long ago that the garbage collection might
    take them: they must be named by something well before."""
    if now - begun > timedelta(seconds=retention_s / 2):
        raise Retryable("storing the files took so long that they may be collected", remedy="it is tried again")
