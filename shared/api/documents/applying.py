"""Declared files that are applied, what became of them, and what they declared."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from shared.resources.base import Condition, Document, Resource
from shared.resources.sync import FileOutcome, Provenance, SyncPhase, SyncSpec, SyncStatus

PathText = Annotated[str, Field(min_length=1, max_length=1024)]


class ApplyFile(Document):
    """A file of the folder that is applied."""

    path: PathText = Field(description="relative to the folder, '/' between the parts")
    text: str = Field(description="its content; other files than text, and large ones, are sent to an upload session")


class ApplyRequest(Document):
    """Make what declared files say so."""

    files: list[ApplyFile] = Field(default_factory=list, max_length=5000)
    upload_id: str | None = Field(
        default=None, pattern=r"^u-[a-z0-9]{6,62}$", description="an upload session with the rest of the files"
    )
    paths: list[PathText] | None = Field(
        default=None, max_length=5000, description="which of the files to apply [every one that declares something]"
    )
    provenance: Provenance
    dry_run: bool = Field(default=False, strict=True, description="only say what would be done")
    prune: bool = Field(default=False, strict=True, description="what the source declared and has no more is removed")


class Applied(Document):
    """What became of each file."""

    sync_id: str | None = Field(description="the sync that records it; null for a dry run")
    phase: SyncPhase
    counts: dict[str, int] = Field(description="files by result")
    files: list[FileOutcome]


class Sync(Document):
    """Declared files of one place at one moment, and what became of them."""

    sync_id: str
    phase: SyncPhase
    spec: SyncSpec
    status: SyncStatus
    conditions: list[Condition]
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Sync:
        """The answer for a stored sync."""
        status = SyncStatus.model_validate(resource.status)
        return cls(
            sync_id=resource.name,
            phase=SyncPhase(status.phase),
            spec=SyncSpec.model_validate(resource.spec),
            status=status,
            conditions=status.conditions,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class SyncPage(Document):
    items: list[Sync]
    continuation: str | None


class SyncRequest(Document):
    """Apply what a configured repository holds now."""

    repository: str = Field(min_length=1, max_length=255, description="name of a configured repository")
    branch: str = Field(min_length=1, max_length=255)
    dry_run: bool = Field(default=False, strict=True)


class DeclaredResource(Document):
    """What a file declared."""

    kind: str
    name: str
    version: str | None
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    spec: dict[str, Any]
    status: dict[str, Any]
    generation: int
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str

    @classmethod
    def of(cls, resource: Resource) -> DeclaredResource:
        """The answer for a stored resource."""
        return cls.model_validate(resource.model_dump(include=set(cls.model_fields)))


class DeclaredResourcePage(Document):
    items: list[DeclaredResource]
    continuation: str | None


class DeliveryReceived(Document):
    """What became of a git host's delivery."""

    sync_id: str | None = Field(description="the sync that it asks for; null when it asks for none")
    message: str
