"""ArtifactStore in the container `artifacts` of Blob Storage: sha256/ab/cdef..., made by server-side copies."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.adapters.azure.blob_service import TRANSFER_BYTES, BlobUrlSigner
from shared.adapters.azure.errors import translated
from shared.adapters.blob_paths import (
    artifact_path,
    check_container,
    check_filename,
    check_path,
    check_range,
    is_sha256,
    verified,
)
from shared.errors import Conflict, NotFound, Retryable
from shared.ports import Artifact, BlobInfo, Container, Page, SignedUrl, StoredArtifact

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

    from shared.ports import Clock

ARTIFACTS = "artifacts"
COPY_TIMEOUT_S = 3600.0
COPY_URL_LIFE_S = 24 * 3600.0
COPY_POLL_S = 0.5  # the first pause; it doubles up to 8 s
MIN_BLOCK_BYTES = TRANSFER_BYTES  # 50,000 blocks of 4 MiB hold 195 GiB


class AzureArtifactStore:
    """`service` comes from open_blob_service and stays the caller's to close."""

    def __init__(self, service: BlobServiceClient, clock: Clock) -> None:
        self._service = service
        self._clock = clock
        self._signer = BlobUrlSigner(service, clock)

    async def put(self, chunks: AsyncIterator[bytes]) -> Artifact:
        """See ArtifactStore. What fits in one block is sent at once; the rest goes to a temporary blob first, since
        its name is known only at the end."""
        blocks = _blocks(chunks)
        first = await anext(blocks)
        second = await anext(blocks, None)
        if second is None:
            return await self._put_small(first)
        temporary = self._service.get_blob_client(ARTIFACTS, f"tmp/{uuid.uuid4()}")
        with translated("storing an artifact"):
            artifact = await _stage(temporary, _chain(first, second, blocks))
            try:
                await self._copy(temporary, artifact, None)
            finally:
                await temporary.delete_blob()
        return artifact

    async def _put_small(self, content: bytes) -> Artifact:
        artifact = Artifact(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        try:
            with translated("storing an artifact"):
                await self._blob(artifact.sha256).upload_blob(content, **_if_missing())
        except Conflict:
            if not await self._is_there(artifact):  # it was, or is just coming; unless it was collected meanwhile
                return await self._put_small(content)
        return artifact

    async def adopt(self, container: Container, blob: BlobInfo) -> Artifact:
        """See ArtifactStore. The content is read once to hash it, and copied within the service."""

        source = self._service.get_blob_client(check_container(container), check_path(blob.path))
        try:
            artifact = await _digest(source, f'"{blob.etag}"')
            await self._copy(source, artifact, f'"{blob.etag}"')
        except Conflict:
            with translated(f"looking at {container}/{blob.path}"):
                if not await source.exists():  # If-Match fails for a blob that is gone, too
                    raise NotFound(f"{container}/{blob.path} is gone") from None
            raise
        return artifact

    async def _copy(self, source: BlobClient, artifact: Artifact, source_etag: str | None) -> None:
        from azure.core import MatchConditions

        if await self._is_there(artifact):
            return
        expires_at = self._signer.expiry(COPY_URL_LIFE_S)
        url = await self._signer.url(source.container_name, source.blob_name, "r", expires_at)
        options: dict[str, Any] = _if_missing()
        if source_etag is not None:
            options |= {"source_etag": source_etag, "source_match_condition": MatchConditions.IfNotModified}
        target = self._blob(artifact.sha256)
        try:
            with translated(f"copying to the artifact {artifact.sha256}"):
                await target.start_copy_from_url(url, **options)
        except Conflict:
            if not await self._is_there(artifact):
                raise  # so it was the source's condition that failed
        await self._await_copy(artifact)

    async def _is_there(self, artifact: Artifact) -> bool:
        """Whether it is there and whole; then it is renewed: writing metadata changes its ETag and its time."""
        try:
            await self._await_copy(artifact)
            with translated(f"renewing the artifact {artifact.sha256}"):
                await self._blob(artifact.sha256).set_blob_metadata({"renewed": uuid.uuid4().hex})
        except NotFound:
            return False
        return True

    async def _await_copy(self, artifact: Artifact) -> None:
        """Returns when the artifact is whole. Raises NotFound when it is not there; what a broken copy left is
        removed first."""
        target = self._blob(artifact.sha256)
        deadline = self._clock.now() + timedelta(seconds=COPY_TIMEOUT_S)
        pause_s = COPY_POLL_S
        while True:
            with translated(f"looking at the artifact {artifact.sha256}"):
                properties = await target.get_blob_properties()
            status = properties.copy.status or "success"
            if status == "success" and properties.size == artifact.size_bytes:
                return
            if status != "pending":
                await self.delete(artifact.sha256)
                raise NotFound(f"the artifact {artifact.sha256} was left broken ({status}), and is removed")
            if self._clock.now() > deadline:
                raise Retryable(f"the copy to the artifact {artifact.sha256} is still pending")
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, 8.0)

    async def read(self, sha256: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """See ArtifactStore. Chunks of up to 4 MiB. Raises Invalid for a range that is not in it."""
        blob = self._blob(sha256)
        with translated(f"reading the artifact {sha256}"):
            size_bytes = await self._size(blob, sha256)
            count = check_range(offset, length, size_bytes)
            if not count and size_bytes:
                return
            whole = count == size_bytes
            part: dict[str, Any] = {} if whole else {"offset": offset, "length": count}
            download = await blob.download_blob(max_concurrency=1, decompress=False, **part)
            chunks = download.chunks()
            async for chunk in verified(chunks, sha256) if whole else chunks:
                yield chunk

    async def download_url(self, sha256: str, *, filename: str, expires_in_s: float) -> SignedUrl:
        """See ArtifactStore."""
        blob = self._blob(sha256)
        name = quote(check_filename(filename), safe="")
        with translated(f"looking at the artifact {sha256}"):
            await self._size(blob, sha256)
        expires_at = self._signer.expiry(expires_in_s)
        headers = {
            "content_disposition": f"attachment; filename*=UTF-8''{name}",
            "content_type": "application/octet-stream",
        }
        url = await self._signer.url(ARTIFACTS, blob.blob_name, "r", expires_at, headers)
        return SignedUrl(url=url, method="GET", expires_at=expires_at)

    async def list_artifacts(self, *, after: str | None = None, limit: int = 1000) -> Page[StoredArtifact]:
        """See ArtifactInventory. The continuation is the service's own."""
        container = self._service.get_container_client(ARTIFACTS)
        with translated("listing the artifacts"):
            listing = container.list_blobs(name_starts_with="sha256/", results_per_page=limit)
            pages: Any = listing.by_page(continuation_token=after)
            found = [blob async for blob in await anext(pages)]
        items = []
        for blob in found:
            sha256 = blob.name.removeprefix("sha256/").replace("/", "")
            if is_sha256(sha256):
                items.append(StoredArtifact(sha256, blob.size, blob.last_modified))
        return Page(tuple(items), pages.continuation_token or None)

    async def delete_if_older(self, sha256: str, than: datetime) -> bool:
        """See ArtifactInventory. Deletes exactly the state whose time was looked at."""
        from azure.core import MatchConditions

        blob = self._blob(sha256)
        try:
            with translated(f"collecting the artifact {sha256}"):
                properties = await blob.get_blob_properties()
                if properties.last_modified >= than or properties.copy.status == "pending":
                    return False
                await blob.delete_blob(
                    delete_snapshots="include", etag=properties.etag, match_condition=MatchConditions.IfNotModified
                )
        except (NotFound, Conflict):
            return False
        return True

    async def delete(self, sha256: str) -> None:
        """See ArtifactStore."""
        try:
            with translated(f"deleting the artifact {sha256}"):
                await self._blob(sha256).delete_blob(delete_snapshots="include")
        except NotFound:
            pass  # as the port has it

    async def _size(self, blob: BlobClient, sha256: str) -> int:
        properties = await blob.get_blob_properties()
        if properties.copy.status == "pending":
            raise NotFound(f"the artifact {sha256} is still being copied")
        return int(properties.size)

    def _blob(self, sha256: str) -> BlobClient:
        return self._service.get_blob_client(ARTIFACTS, artifact_path(sha256))


def _if_missing() -> dict[str, Any]:
    from azure.core import MatchConditions

    return {"match_condition": MatchConditions.IfMissing}


async def _digest(blob: BlobClient, etag: str) -> Artifact:
    from azure.core import MatchConditions

    digest, size_bytes = hashlib.sha256(), 0
    with translated(f"reading {blob.container_name}/{blob.blob_name}"):
        download = await blob.download_blob(
            max_concurrency=1, decompress=False, etag=etag, match_condition=MatchConditions.IfNotModified
        )
        async for chunk in download.chunks():
            await asyncio.to_thread(digest.update, chunk)
            size_bytes += len(chunk)
    return Artifact(sha256=digest.hexdigest(), size_bytes=size_bytes)


async def _stage(blob: BlobClient, blocks: AsyncIterator[bytes]) -> Artifact:
    from azure.storage.blob import BlobBlock

    digest, size_bytes = hashlib.sha256(), 0
    ids: list[str] = []
    async for block in blocks:
        await asyncio.to_thread(digest.update, block)
        ids.append(base64.b64encode(f"{len(ids):08d}".encode()).decode())
        await blob.stage_block(ids[-1], block)
        size_bytes += len(block)
    await blob.commit_block_list([BlobBlock(block_id) for block_id in ids])
    return Artifact(sha256=digest.hexdigest(), size_bytes=size_bytes)


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of at least MIN_BLOCK_BYTES but for the last; one empty block for no bytes."""
    block = bytearray()
    some = False
    async for chunk in chunks:
        block += chunk
        if len(block) >= MIN_BLOCK_BYTES:
            yield bytes(block)
            block, some = bytearray(), True
    if block or not some:
        yield bytes(block)


async def _chain(first: bytes, second: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    yield second
    async for block in rest:
        yield block
