"""Uploads: a manifest on its way to become a model version."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from shared.resources.base import Document, Status
from shared.resources.model import ModelFile, Origin

KIND = "upload"
UPLOAD_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{7,63}$"


class UploadPhase(StrEnum):
    """Where an upload is on its way."""

    PENDING = "Pending"  # received, not looked at yet (or to be looked at again after a re-drive)
    FETCHING = "Fetching"  # the files are at a URL, in a bucket or in a run; they are being brought here
    WAITING_FOR_FILES = "WaitingForFiles"  # the manifest is good, files it needs are not (all) there
    REGISTERING = "Registering"  # the dropped files are stored; what they are is recorded before the version exists
    REGISTERED = "Registered"  # the version exists; the dropped files are still in the upload container
    COMPLETED = "Completed"  # the version exists and the upload container is clean
    FAILED = "Failed"  # faults in the manifest, or the files did not come in time; files are left where they are
    SUPERSEDED = "Superseded"  # the manifest was replaced or removed before its files were complete


# Every change of phase that may happen. Re-driving is the way back from Failed.
TRANSITIONS: dict[UploadPhase, frozenset[UploadPhase]] = {
    UploadPhase.PENDING: frozenset(UploadPhase) - {UploadPhase.PENDING},
    UploadPhase.FETCHING: frozenset(UploadPhase) - {UploadPhase.PENDING, UploadPhase.FETCHING},
    UploadPhase.WAITING_FOR_FILES: frozenset(
        {
            UploadPhase.REGISTERING,
            UploadPhase.REGISTERED,
            UploadPhase.COMPLETED,
            UploadPhase.FAILED,
            UploadPhase.SUPERSEDED,
        }
    ),
    UploadPhase.REGISTERING: frozenset({UploadPhase.REGISTERED, UploadPhase.COMPLETED, UploadPhase.FAILED}),
    UploadPhase.REGISTERED: frozenset({UploadPhase.COMPLETED}),
    UploadPhase.COMPLETED: frozenset(),
    UploadPhase.FAILED: frozenset({UploadPhase.PENDING}),
    UploadPhase.SUPERSEDED: frozenset(),
}
TERMINAL = frozenset({UploadPhase.COMPLETED, UploadPhase.FAILED, UploadPhase.SUPERSEDED})


class UploadSpec(Document):
    """What arrived."""

    container: Literal["uploads", "staging"]  # where its files are
    directory: str  # folder of the manifest in the container; "" is the container's root
    manifest_file: str  # the manifest's file name, for messages and for finding it
    manifest_etag: str | None = None  # the state of the manifest's blob; None when it came in a request
    manifest: str | None = None  # the manifest's text; None when the declaration came as JSON
    unreadable: str | None = None  # why the manifest has no text, when it is too large or not UTF-8
    declaration: dict[str, Any] | None = None  # the declaration, when it came as JSON
    overrides: dict[str, Any] = Field(default_factory=dict)  # name, description, tags that win over the manifest's
    files: list[str] | None = None  # exactly the files to wait for, relative to the directory; None: what `path` holds
    origin: Origin | None = None  # where the request says the model was before; None when it says nothing
    deadline: datetime  # when waiting for files ends


class ConsumedBlob(Document):
    """A blob the upload was made of, to be deleted in exactly this state."""

    path: str  # in the container
    etag: str  # the state that was taken


class UploadStatus(Status):
    """How far it is."""

    model_name: str | None = None  # the name in the manifest, once it could be read
    model_version: str | None = None  # the version it became
    missing: list[str] = Field(default_factory=list)  # files that are not there yet, or were not in time
    faults: list[dict[str, Any]] = Field(default_factory=list)  # what is wrong with the manifest (shared.errors.Fault)
    files: list[ModelFile] = Field(default_factory=list)  # what was stored for the version
    declaration: dict[str, Any] | None = None  # what is registered, completed by what the files say; None before
    origin: Origin | None = None  # where the files were fetched from; None when they were uploaded
    consumed: list[ConsumedBlob] = Field(default_factory=list)  # what has to be deleted after the registration
