"""UploadArea in the containers `uploads` and `staging` of Blob Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.adapters.azure.blob_service import BlobUrlSigner
from shared.adapters.azure.errors import translated
from shared.adapters.blob_paths import check_container, check_path
from shared.errors import Conflict, NotFound, TooLarge
from shared.paths import is_valid_path
from shared.ports import BlobInfo, Container, SignedUrl

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import BlobServiceClient

    from shared.ports import Clock


class AzureUploadArea:
    """`service` comes from open_blob_service and stays the caller's to close."""

    def __init__(self, service: BlobServiceClient, clock: Clock) -> None:
        self._service = service
        self._signer = BlobUrlSigner(service, clock)

    async def list_blobs(self, container: Container, prefix: str) -> tuple[BlobInfo, ...]:
        """See UploadArea. Blobs whose names break the rule for paths, and the folder markers of a hierarchical
        namespace, are left out."""
        client = self._service.get_container_client(check_container(container))
        found = []
        with translated(f"listing {container}"):
            async for blob in client.list_blobs(name_starts_with=prefix or None, include=["metadata"]):
                is_folder = (blob.metadata or {}).get("hdi_isfolder") == "true"
                if is_valid_path(blob.name) and not is_folder:
                    found.append(blob_info(blob))
        return tuple(sorted(found, key=lambda blob: blob.path))

    async def read_blob(self, container: Container, path: str, *, max_bytes: int) -> tuple[BlobInfo, bytes]:
        """See UploadArea."""
        blob = self._service.get_blob_client(check_container(container), check_path(path))
        with translated(f"reading {container}/{path}"):
            download = await blob.download_blob(max_concurrency=1, decompress=False)
            size_bytes = download.properties.size
            if size_bytes > max_bytes:
                raise TooLarge(f"{path} holds {size_bytes} bytes (allowed: {max_bytes})")
            return blob_info(download.properties), await download.readall()

    async def delete_blob(self, container: Container, path: str, *, etag: str) -> None:
        """See UploadArea."""
        from azure.core import MatchConditions

        blob = self._service.get_blob_client(check_container(container), check_path(path))
        try:
            with translated(f"deleting {container}/{path}"):
                await blob.delete_blob(
                    delete_snapshots="include", etag=f'"{etag}"', match_condition=MatchConditions.IfNotModified
                )
        except (NotFound, Conflict):
            pass  # gone, or replaced by another state, as the port has it

    async def upload_url(self, container: Container, path: str, *, expires_in_s: float) -> SignedUrl:
        """See UploadArea. The URL takes Put Blob (up to 5000 MiB), Put Block and Put Block List."""
        expires_at = self._signer.expiry(expires_in_s)
        url = await self._signer.url(check_container(container), check_path(path), "cw", expires_at)
        return SignedUrl(url=url, method="PUT", headers={"x-ms-blob-type": "BlockBlob"}, expires_at=expires_at)


def blob_info(blob: BlobProperties) -> BlobInfo:
    """The SDK's properties as the port's; the ETag without its quotes, as events have it."""
    return BlobInfo(path=blob.name, etag=blob.etag.strip('"'), size_bytes=blob.size, modified_at=blob.last_modified)
