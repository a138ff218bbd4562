"""UploadArea in folders: people copy files into data_dir/uploads, signed URLs write into both containers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from shared.adapters.blob_paths import check_container, check_path
from shared.adapters.local.blob_folders import (
    blob_etag,
    etag_of,
    forget_received,
    info_of,
    is_open_for_writing,
    is_settled,
    open_blob,
    open_parent,
    received_sha256,
    scan,
)
from shared.adapters.local.partial_file import disk_errors
from shared.adapters.local.signing import UrlSigner
from shared.errors import Invalid, NotFound, Retryable, TooLarge
from shared.ports import BlobInfo, Container, SignedUrl

PUT_HEADERS = {"x-ms-blob-type": "BlockBlob"}  # Put Blob (REST API reference)


class LocalUploadArea:
    """`settle_s`: how long a file in `uploads` must be unchanged to count as complete, unless it came through the blob
    endpoint, which shows only whole files. Until then it counts as not there.

    What every registration needs of Slipway's own folders (a listing of one upload, the policy, the removal of a staged
    file) is done in the event loop's thread: in another, each system call of it hands Python's lock over and back;
    that cost a third of a registration."""

    def __init__(self, data_dir: Path, signer: UrlSigner, *, settle_s: float = 0.3) -> None:
        self._data_dir = data_dir
        self._signer = signer
        self._settle_s = settle_s

    async def list_blobs(self, container: Container, prefix: str) -> tuple[BlobInfo, ...]:
        """See UploadArea."""
        root = self._root(container)
        if container == "staging" and "/" in prefix:  # the folder of one upload
            return tuple(sorted(self._complete(root, container, prefix), key=_by_path))
        return await asyncio.to_thread(lambda: tuple(sorted(self._complete(root, container, prefix), key=_by_path)))

    def _complete(self, root: Path, container: Container, prefix: str) -> Iterator[BlobInfo]:
        for path, state in scan(root, prefix):
            if self._is_complete(container, state):
                yield info_of(path, state, blob_etag(self._data_dir, state))

    def _is_complete(self, container: Container, state: os.stat_result) -> bool:
        return (
            container == "staging"
            or is_settled(state, self._settle_s)
            or received_sha256(self._data_dir, etag_of(state)) is not None
        )

    async def read_blob(self, container: Container, path: str, *, max_bytes: int) -> tuple[BlobInfo, bytes]:
        """See UploadArea. A file that changes while it is read is not complete: NotFound. One that somebody has
        open for writing may be complete soon: Retryable; so is an unfinished policy, which must not count as none."""
        root = self._root(container)
        if container == "policies":
            return self._read(root, container, check_path(path), max_bytes)
        return await asyncio.to_thread(self._read, root, container, check_path(path), max_bytes)

    def _read(self, root: Path, container: Container, path: str, max_bytes: int) -> tuple[BlobInfo, bytes]:
        with open_blob(root, path) as descriptor, disk_errors():
            before = os.fstat(descriptor)
            if before.st_size > max_bytes:
                raise TooLarge(f"{path} holds {before.st_size} bytes (allowed: {max_bytes})")
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(max_bytes + 1)
            after = os.fstat(descriptor)
            is_being_written = container != "staging" and is_open_for_writing(descriptor)
        if is_being_written:
            raise Retryable(f"{path} is still open for writing", remedy="close it")
        changed = etag_of(before) != etag_of(after) or len(content) != after.st_size
        if changed or not self._is_complete(container, after):
            if container == "policies":
                raise Retryable(f"{container}/{path} is still being written", remedy="wait until it is complete")
            raise NotFound(f"{path} is still being written", remedy="wait until it is complete")
        return info_of(path, after, blob_etag(self._data_dir, after)), content

    async def delete_blob(self, container: Container, path: str, *, etag: str) -> None:
        """See UploadArea. Folders of `staging` that become empty go too; those of `uploads` belong to people."""
        root = self._root(container)
        if container == "staging":
            return self._delete(root, container, check_path(path), etag)
        await asyncio.to_thread(self._delete, root, container, check_path(path), etag)

    def _delete(self, root: Path, container: Container, path: str, etag: str) -> None:
        try:
            with open_parent(root, path) as (folder, name):
                if blob_etag(self._data_dir, os.stat(name, dir_fd=folder, follow_symlinks=False)) != etag:
                    return
                os.unlink(name, dir_fd=folder)
        except (NotFound, FileNotFoundError, IsADirectoryError):
            return  # gone
        except PermissionError as error:
            raise Retryable(
                f"{path} may not be removed", remedy=f"give this user the right to write in {root}"
            ) from error
        forget_received(self._data_dir, etag)
        if container == "staging":
            _remove_empty_folders(root, path)

    async def upload_url(self, container: Container, path: str, *, expires_in_s: float) -> SignedUrl:
        """See UploadArea. The URL is a path on the server that runs the blob endpoint."""
        target = f"/blobs/{check_container(container)}/{check_path(path)}"
        expires_at = self._signer.expiry(expires_in_s)
        query = self._signer.sign("PUT", target, expires_at)
        return SignedUrl(url=f"{quote(target)}?{query}", method="PUT", headers=dict(PUT_HEADERS), expires_at=expires_at)

    def _root(self, container: str) -> Path:
        return self._data_dir / check_container(container)


def _by_path(blob: BlobInfo) -> str:
    return blob.path


def _remove_empty_folders(root: Path, path: str) -> None:
    while "/" in path:
        path = path.rpartition("/")[0]
        try:
            with open_parent(root, path) as (folder, name):
                os.rmdir(name, dir_fd=folder)
        except (NotFound, Invalid, OSError):
            return  # not empty, or somebody else was here
