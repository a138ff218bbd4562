"""Where bytes are kept: what people upload, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from shared.ports.store import Page


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob in the upload area."""

    path: str  # "/"-separated, relative to its container, no leading slash
    etag: str  # changes whenever the blob is written
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Artifact:
    """Stored bytes, named by what they are."""

    sha256: str  # lower-case hex
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """Where a client may PUT or GET bytes by itself, for a while, with no other credential."""

    url: str  # a path ("/blobs/...") means: on the server that answered
    method: Literal["PUT", "GET"]
    headers: dict[str, str] = field(default_factory=dict)  # must be sent
    expires_at: datetime | None = None


# `uploads`: people drop files here; `staging`: only signed URLs write here; `policies`: a team's rules.
Container = Literal["uploads", "staging", "policies", "config"]


class UploadArea(Protocol):
    """Where files arrive before they are registered. Folders, Blob containers. Paths are checked (no '..')."""

    async def list_blobs(self, container: Container, prefix: str) -> tuple[BlobInfo, ...]:
        """All complete blobs whose path starts with `prefix`, sorted by path."""
        ...

    async def read_blob(self, container: Container, path: str, *, max_bytes: int) -> tuple[BlobInfo, bytes]:
        """A small blob whole. Raises NotFound, or TooLarge above max_bytes."""
        ...

    async def delete_blob(self, container: Container, path: str, *, etag: str) -> None:
        """Delete exactly this state; nothing happens when it is gone or was replaced."""
        ...

    async def upload_url(self, container: Container, path: str, *, expires_in_s: float) -> SignedUrl:
        """A URL that takes one PUT of the blob (Azure's Put Blob request, x-ms-blob-type: BlockBlob)."""
        ...


class ArtifactStore(Protocol):
    """Content-addressed, immutable bytes: sha256 -> content. A folder, a Blob container."""

    async def put(self, chunks: AsyncIterator[bytes]) -> Artifact:
        """Store the stream; storing the same bytes again changes nothing. A broken stream leaves nothing visible."""
        ...

    async def adopt(self, container: Container, blob: BlobInfo) -> Artifact:
        """Store the content of an upload without sending it through the caller. Raises NotFound when it is gone,
        Conflict when it was replaced (another etag)."""
        ...

    def read(self, sha256: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes. A whole read is verified: ArtifactCorrupted instead of the last chunk. Else NotFound."""
        ...

    async def download_url(self, sha256: str, *, filename: str, expires_in_s: float) -> SignedUrl:
        """A URL for one GET (ranges allowed) that offers the file under `filename`. Raises NotFound."""
        ...

    async def delete(self, sha256: str) -> None:
        """Forget it; nothing happens when it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """An artifact as it lies in the store."""

    sha256: str
    size_bytes: int
    renewed_at: datetime  # when it was last stored or adopted, also when that found it there already


class ArtifactInventory(Protocol):
    """What is in the ArtifactStore, for the garbage collection. Its adapters implement it too."""

    async def list_artifacts(self, *, after: str | None = None, limit: int = 1000) -> Page[StoredArtifact]:
        """A page of all artifacts, by digest."""
        ...

    async def delete_if_older(self, sha256: str, than: datetime) -> bool:
        """Delete it unless it was renewed at `than` or later, in one step: an adopt that comes at the same time either
        renews it or finds it gone and stores it again. Whether it was deleted."""
        ...
