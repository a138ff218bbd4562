"""Models and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.resources.base import Condition, Document, Resource
from shared.resources.inspection import ModelInspection
from shared.resources.model import (
    ModelFacts,
    ModelFile,
    ModelHeadStatus,
    Origin,
)

_SPEC_FIELDS = (*ModelFacts.model_fields, "path", "files", "parent_model_id", "origin", "upload_id")
_VERSION_STATUS: dict[str, Any] = {"labels": [], "archived": False, "phase": "", "conditions": []}  # what is left out


class ModelVersion(ModelFacts):
    """A registered version of a model."""

    id: str = Field(description="name:version")
    name: str
    version: str
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    labels: list[str] = Field(description="labels that name this version; `latest` is not among them")
    archived: bool
    phase: str = Field(description="Registered, Ready (its files were looked into) or Deleting")
    path: str
    files: list[ModelFile]
    size_bytes: int
    parent_model_id: str | None
    origin: Origin | None
    inspection: ModelInspection | None = Field(description="what was found in its files; null before that")
    conditions: list[Condition]
    upload_id: str
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str

    @classmethod
    def of(cls, resource: Resource) -> ModelVersion:
        """The answer for a stored version."""
        spec, status = resource.spec, resource.status
        # Validated once, as this document: by way of ModelSpec and ModelVersionStatus it takes twice as long.
        return cls.model_validate(
            {
                **dict.fromkeys(("parent_model_id", "origin", "inspection")),
                **_VERSION_STATUS,
                **{name: spec[name] for name in _SPEC_FIELDS if name in spec},
                **{name: status[name] for name in (*_VERSION_STATUS, "inspection") if name in status},
                **_common(resource),
                "id": f"{resource.name}:{resource.version}",
                "version": str(resource.version),
                "size_bytes": sum(file["size_bytes"] for file in spec["files"]),
            }
        )


class ModelSummary(Document):
    """A model, described by its newest version."""

    name: str
    latest_version: str = Field(description="the newest that is not archived; empty when there is none")
    labels: dict[str, str] = Field(description="label -> version")
    archived: bool
    description: str | None
    tags: dict[str, str]
    created_at: datetime
    modified_at: datetime

    @classmethod
    def of(cls, head: Resource) -> ModelSummary:
        """The answer for a stored head."""
        status = ModelHeadStatus.model_validate(head.status)
        names = ("name", "description", "tags", "created_at", "modified_at")
        return cls(
            latest_version=status.latest_version,
            labels=status.labels,
            archived=status.archived,
            **{name: getattr(head, name) for name in names},
        )


class LabelRequest(Document):
    """Let a label name a version."""

    version: str = Field(min_length=1, max_length=65, description="the version, `latest`, or `@LABEL`")
    expected_version: str | None = Field(
        default=None, max_length=30, description="the version that must have it now; empty: none may; null: whichever"
    )


class ModelPage(Document):
    items: list[ModelSummary]
    continuation: str | None


class ModelVersionPage(Document):
    items: list[ModelVersion]
    continuation: str | None


def _common(resource: Resource) -> dict[str, Any]:
    names = ("name", "description", "tags", "properties", "created_at", "created_by", "modified_at", "modified_by")
    return {name: getattr(resource, name) for name in names}
