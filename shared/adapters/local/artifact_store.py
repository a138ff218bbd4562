"""ArtifactStore in a folder: data_dir/artifacts/sha256/ab/cdef..., written once, read-only, verified when read."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from shared.adapters.blob_paths import (
    artifact_path,
    check_container,
    check_filename,
    check_path,
    check_range,
    is_sha256,
    verified,
)
from shared.adapters.local.blob_folders import (
    blob_etag,
    etag_of,
    is_open_for_writing,
    open_blob,
    open_descriptor,
    open_parent,
    publish,
    received_sha256,
    scan,
)
from shared.adapters.local.partial_file import PartialFile, TemporaryName, disk_errors, linked_file
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.threads import run_to_end
from shared.errors import AlreadyExists, Conflict, NotFound
from shared.ports import Artifact, BlobInfo, Container, Page, SignedUrl, StoredArtifact

ARTIFACTS = "artifacts"
READ_BYTES = 1 << 20
WRITE_BYTES = 1 << 20  # gathered before a thread is asked
COPY_BYTES = 4 << 20


class LocalArtifactStore:
    """Any number of processes may use one folder."""

    def __init__(self, data_dir: Path, signer: UrlSigner) -> None:
        self._data_dir = data_dir
        self._root = data_dir / ARTIFACTS
        self._signer = signer

    async def put(self, chunks: AsyncIterator[bytes]) -> Artifact:
        """See ArtifactStore. Needs a few MiB of memory whatever the size."""
        with PartialFile(self._data_dir) as file:
            async for batch in _batches(chunks):
                await run_to_end(partial(_write_all, file, batch))
            return await run_to_end(lambda: self._keep(file))

    def _keep(self, file: PartialFile) -> Artifact:
        file.set_read_only()
        sha256, state = file.seal()
        artifact = Artifact(sha256=sha256, size_bytes=state.st_size)
        self._publish(file, artifact)
        return artifact

    def _publish(self, file: TemporaryName, artifact: Artifact) -> None:
        if self._holds(artifact):
            return
        path = artifact_path(artifact.sha256)
        try:
            publish(file, self._root, path, must_be_new=True)
        except AlreadyExists:
            if not self._holds(artifact):  # a damaged one, of another size: this one is better
                publish(file, self._root, path)

    def _holds(self, artifact: Artifact) -> bool:
        """Whether it is there and whole; then it is renewed. Waits for a collection that is just looking at it."""
        path = artifact_path(artifact.sha256)
        try:
            with open_blob(self._root, path) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                state = os.fstat(descriptor)
                with open_blob(self._root, path) as now:
                    if os.fstat(now).st_ino != state.st_ino or state.st_size != artifact.size_bytes:
                        return False
                with disk_errors():
                    os.utime(descriptor, ns=(state.st_atime_ns, state.st_mtime_ns))  # sets the time of change of status
                return True
        except NotFound:
            return False

    async def adopt(self, container: Container, blob: BlobInfo) -> Artifact:
        """See ArtifactStore. A staged blob is linked, with the digest that was made while it arrived; a dropped file,
        which its owner may still write to, is copied."""
        root = self._data_dir / check_container(container)
        path = check_path(blob.path)
        return await run_to_end(lambda: self._adopt(root, path, blob, linkable=container == "staging"))

    def _adopt(self, root: Path, path: str, blob: BlobInfo, *, linkable: bool) -> Artifact:
        with open_blob(root, path) as descriptor:
            self._check_etag(descriptor, blob)
            known = received_sha256(self._data_dir, blob.etag) if linkable else None
            if known is None:
                if is_open_for_writing(descriptor):
                    raise Conflict(f"{blob.path} is still being written")
                return self._copy(descriptor, blob)
            artifact = Artifact(sha256=known, size_bytes=blob.size_bytes)
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # so that its temporary name is not removed as stale
            if not self._holds(artifact):
                with open_parent(root, path) as (folder, name):
                    self._link(folder, name, blob, artifact)
            return artifact

    def _copy(self, descriptor: int, blob: BlobInfo) -> Artifact:
        with PartialFile(self._data_dir) as file, disk_errors():
            offset = 0
            while data := os.pread(descriptor, COPY_BYTES, offset):
                file.write(data)
                offset += len(data)
                if offset > blob.size_bytes:
                    break
            self._check_etag(descriptor, blob)
            return self._keep(file)

    def _check_etag(self, descriptor: int, blob: BlobInfo) -> None:
        if blob_etag(self._data_dir, os.fstat(descriptor)) != blob.etag:
            raise Conflict(f"{blob.path} was replaced or changed")

    def _link(self, source: int, name: str, blob: BlobInfo, artifact: Artifact) -> None:
        with linked_file(self._data_dir, source, name) as file:
            if etag_of(file.path.stat()) != blob.etag:
                raise Conflict(f"{blob.path} was replaced")
            file.path.chmod(0o444)
            self._publish(file, artifact)

    async def read(self, sha256: str, *, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """See ArtifactStore. Chunks of 1 MiB. Raises Invalid for a range that is not in it."""
        descriptor = open_descriptor(self._root, artifact_path(sha256))
        try:
            size_bytes = os.fstat(descriptor).st_size
            count = check_range(offset, length, size_bytes)
            chunks = _pieces(descriptor, offset, count)
            async for chunk in verified(chunks, sha256) if count == size_bytes else chunks:
                yield chunk
        finally:
            os.close(descriptor)

    async def download_url(self, sha256: str, *, filename: str, expires_in_s: float) -> SignedUrl:
        """See ArtifactStore. The URL is a path on the server that runs the blob endpoint."""
        os.close(open_descriptor(self._root, artifact_path(sha256)))
        target = f"/blobs/{ARTIFACTS}/{sha256}"
        expires_at = self._signer.expiry(expires_in_s)
        query = self._signer.sign("GET", target, expires_at, {"filename": check_filename(filename)})
        return SignedUrl(url=f"{target}?{query}", method="GET", expires_at=expires_at)

    async def list_artifacts(self, *, after: str | None = None, limit: int = 1000) -> Page[StoredArtifact]:
        """See ArtifactInventory. The continuation is the last digest."""
        return await asyncio.to_thread(self._list, after or "", limit)

    def _list(self, after: str, limit: int) -> Page[StoredArtifact]:
        found: list[StoredArtifact] = []
        for start in range(int(after[:2] or "0", 16), 256):
            for path, state in sorted(scan(self._root, f"sha256/{start:02x}/")):
                sha256 = path.removeprefix("sha256/").replace("/", "")
                if sha256 > after and is_sha256(sha256):
                    found.append(StoredArtifact(sha256, state.st_size, _renewed_at(state)))
            if len(found) > limit:
                return Page(tuple(found[:limit]), found[limit - 1].sha256)
        return Page(tuple(found))

    async def delete_if_older(self, sha256: str, than: datetime) -> bool:
        """See ArtifactInventory."""
        return await run_to_end(lambda: self._delete_if_older(artifact_path(sha256), than))

    def _delete_if_older(self, path: str, than: datetime) -> bool:
        try:
            with open_blob(self._root, path) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _renewed_at(os.fstat(descriptor)) >= than:
                    return False
                self._delete(path)  # whoever waits in `_holds` finds it gone
                return True
        except (NotFound, BlockingIOError):
            return False

    async def delete(self, sha256: str) -> None:
        """See ArtifactStore."""
        await asyncio.to_thread(self._delete, artifact_path(sha256))

    def _delete(self, path: str) -> None:
        try:
            with open_parent(self._root, path) as (folder, name):
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        except (NotFound, FileNotFoundError):
            pass  # it was not there


def _renewed_at(state: os.stat_result) -> datetime:
    """The time of the last change of status: linking, renaming and `_holds` set it, nothing can set it back."""
    return datetime.fromtimestamp(state.st_ctime, UTC)


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    batch: list[bytes] = []
    size_bytes = 0
    async for chunk in chunks:
        batch.append(chunk)
        size_bytes += len(chunk)
        if size_bytes >= WRITE_BYTES:
            yield batch
            batch, size_bytes = [], 0
    yield batch


def _write_all(file: PartialFile, batch: list[bytes]) -> None:
    for chunk in batch:
        file.write(chunk)


async def _pieces(descriptor: int, offset: int, count: int) -> AsyncIterator[bytes]:
    while count > 0:
        with disk_errors():
            data = await run_to_end(partial(os.pread, descriptor, min(READ_BYTES, count), offset))
        if not data:
            return  # truncated meanwhile; a whole read finds out by its digest
        yield data
        offset, count = offset + len(data), count - len(data)
