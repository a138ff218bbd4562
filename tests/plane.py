"""A control plane on this machine's adapters, for tests."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.blob_folders import etag_of, note_received
from shared.bootstrap import ControlPlane
from shared.bootstrap.local import local_control_plane
from shared.ports import Clock, RecordQuery
from shared.resources.base import Cause
from shared.settings import Settings

CAUSE = Cause(actor="tester", type="request", id="request-1")
MANIFEST = "name: diabetes\npath: model.onnx\ntags: {owner: ml-team}\n"


def make_plane(folder: Path, clock: Clock | None = None, **settings: Any) -> ControlPlane:
    """A control plane whose data are in `folder`; it has the machine's clock, unless another is given."""
    settings = {"base_image_timeout_s": 0, **settings}  # no test asks a registry that is elsewhere
    return local_control_plane(Settings(data_dir=folder, upload_settle_s=0.2, **settings), clock)


@pytest.fixture
def plane(tmp_path: Path) -> ControlPlane:
    """A control plane in a fresh folder."""
    return make_plane(tmp_path / "data")


def drop(plane: ControlPlane, path: str, content: str | bytes) -> Path:
    """Put a whole file into the upload container, a minute ago, as the blob endpoint does."""
    data = content if isinstance(content, bytes) else content.encode()
    folder = plane.deps.settings.data_dir
    target = folder / "uploads" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    before = time.time() - 60
    os.utime(target, (before, before))
    note_received(folder, etag_of(target.stat()), hashlib.sha256(data).hexdigest())
    return target


def blob_created(path: str, event_id: str = "e-1", container: str = "uploads") -> dict[str, Any]:
    """A BlobCreated event as Event Grid sends it."""
    return {
        "id": event_id,
        "topic": "storage",
        "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-11-23T12:00:00Z",
        "data": {"api": "PutBlob"},
        "dataVersion": "",
    }


def stage(plane: ControlPlane, upload_id: str, path: str, content: bytes) -> Path:
    """Put a file where a signed URL of an upload session puts it."""
    target = plane.deps.settings.data_dir / "staging" / upload_id / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


async def events_of(plane: ControlPlane) -> list[str]:
    """The types of all events so far, oldest first."""
    page = await plane.deps.store.list_events(RecordQuery(limit=1000))
    return [record.event.type for record in page.items]


__all__ = ["CAUSE", "MANIFEST", "blob_created", "drop", "events_of", "make_plane", "plane", "stage"]
