"""The event that Blob Storage raises when a blob was written: Microsoft.Storage.BlobCreated.

Shape: "Azure Blob Storage as Event Grid source" (Azure documentation), Event Grid schema.
"""

from __future__ import annotations

import uuid
from urllib.parse import quote

from shared.ports import BlobInfo
from shared.resources.events import Event

BLOB_CREATED = "Microsoft.Storage.BlobCreated"
LOCAL_STORAGE_TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.Storage/storageAccounts/slipway"
)
_IDS = uuid.UUID("5d8a3a0e-6f0b-4f3e-9c0a-2b0f7d0c9a11")  # any constant: ids derive from it


def blob_created(
    container: str, blob: BlobInfo, *, api: str = "PutBlob", content_type: str = "application/octet-stream"
) -> Event:
    """The event for this state of a blob. The same state always has the same id, time and sequencer; eTag is that of
    BlobInfo."""
    identity = str(uuid.uuid5(_IDS, f"{container}/{blob.path}#{blob.etag}"))
    data = {
        "api": api,
        "clientRequestId": identity,
        "requestId": identity,
        "eTag": blob.etag,
        "contentType": content_type,
        "contentLength": blob.size_bytes,
        "blobType": "BlockBlob",
        "url": f"http://127.0.0.1/blobs/{container}/{quote(blob.path)}",
        "sequencer": f"{int(blob.modified_at.timestamp() * 1_000_000):048x}",
        "storageDiagnostics": {},
    }
    return Event(
        id=identity,
        type=BLOB_CREATED,
        subject=f"/blobServices/default/containers/{container}/blobs/{blob.path}",
        time=blob.modified_at,
        data=data,
        topic=LOCAL_STORAGE_TOPIC,
    )
