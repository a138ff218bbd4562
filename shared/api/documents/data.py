"""Data assets: versions, and their profiles."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.datasets.versions import held
from shared.resources.base import Document, Resource
from shared.resources.data_profile import DataPhase, DataVersionStatus
from shared.resources.declared import DeclaredSpec
from shared.resources.importance import LearntImportance
from shared.resources.model import ModelFile


class DataVersion(Document):
    """One version of a data asset."""

    name: str
    version: str
    phase: DataPhase
    reason: str = Field(description="why there is no profile; empty when there is, and before")
    type: str = Field(description="uri_file, uri_folder or mltable")
    path: str = Field(description="as it was declared")
    fetched_at: datetime | None = Field(description="when files that lie elsewhere were copied; null for others")
    digest: str = Field(description="of all its files and their paths; empty before they were looked at")
    files: list[ModelFile]
    size_bytes: int = Field(description="of all its files")
    rows: int | None = Field(description="null before it is profiled")
    columns: dict[str, str] = Field(description="type by name, of a profiled version")
    sketch_bytes: int | None = Field(description="length of the baseline sketch; null where there is none")
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    archived: bool
    log_tail: list[str] = Field(description="the last lines of what reading it printed")
    importances: list[LearntImportance] = Field(
        description="how much its features matter for a target, as monitors learnt from it; the newest last"
    )
    users: list[str] = Field(default_factory=list, description="what refers to it; shown for one version only")
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource, users: list[str] | None = None) -> DataVersion:
        """The answer for a stored version."""
        spec, files = DeclaredSpec.model_validate(resource.spec), held(resource).files
        status = DataVersionStatus.model_validate(resource.status)
        shared = set(DataVersionStatus.model_fields) & set(cls.model_fields)
        return cls(
            **status.model_dump(include=shared - {"reason"}),
            reason=status.why,
            name=resource.name,
            version=str(resource.version),
            type=str(spec.declaration.get("type") or "uri_folder").lower(),
            path=str(spec.declaration.get("path") or ""),
            files=files,
            size_bytes=sum(file.size_bytes for file in files),
            fetched_at=status.fetched.at if status.fetched else None,
            sketch_bytes=status.sketch.size_bytes if status.sketch else None,
            description=resource.description,
            tags=resource.tags,
            properties=resource.properties,
            users=users or [],
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class DataVersionPage(Document):
    items: list[DataVersion]
    continuation: str | None


class DataProfileFound(Document):
    """What is known of the rows of a version."""

    profile: dict[str, Any] = Field(description="rows, what was read, and a profile of each column in Azure ML's names")
