"""Uploads."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from shared.errors import Fault, Invalid
from shared.resources.base import NAME_PATTERN, Condition, Document, Resource
from shared.resources.model import (
    Origin,
    TextMap,
)
from shared.resources.upload import UPLOAD_ID_PATTERN, UploadPhase, UploadSpec, UploadStatus

MAX_FILES = 2000
PathText = Annotated[str, Field(min_length=1, max_length=1024)]


class UploadFile(Document):
    """A file that will be sent."""

    path: PathText = Field(description="relative to the manifest, '/' between the parts")
    size_bytes: int | None = Field(default=None, ge=0, le=2**53, strict=True, description="its length, if known")


class UploadSessionRequest(Document):
    """Ask for URLs to send files to."""

    files: list[UploadFile] = Field(min_length=1, max_length=MAX_FILES)
    upload_id: str | None = Field(
        default=None,
        pattern=r"^c-[a-z0-9-]{6,62}$",
        description="the upload's id, so that doing it again finds it done",
    )


class UploadTarget(Document):
    """Where one file goes."""

    path: str
    url: str = Field(description="send the file here; a path is relative to this server; needs no key")
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str] = Field(description="headers that must be sent with it")


class UploadSession(Document):
    """URLs for an upload."""

    upload_id: str
    files: list[UploadTarget]
    expires_at: datetime | None


class RegisterRequest(Document):
    """Register what was uploaded. Exactly one of manifest and model."""

    upload_id: str = Field(pattern=UPLOAD_ID_PATTERN)
    manifest: str | None = Field(default=None, max_length=1024 * 1024, description="text of a model.yml")
    manifest_file: str = Field(
        default="model.yml", pattern=r"^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,254}$", description="its name, for messages"
    )
    model: dict[str, Any] | None = Field(
        default=None, description="the declaration as JSON (schemas/model.schema.json)"
    )
    files: list[PathText] | None = Field(default=None, max_length=MAX_FILES, description="wait for exactly these files")
    name: str | None = Field(default=None, pattern=NAME_PATTERN, description="wins over the manifest's")
    description: str | None = Field(default=None, max_length=65536, description="wins over the manifest's")
    tags: TextMap | None = Field(default=None, description="win over the manifest's")
    declared: dict[str, Any] = Field(
        default_factory=dict, max_length=32, description="any other fields of the declaration that win; not its path"
    )
    origin: Origin | None = Field(default=None, description="where it was before: another Slipway, an MLflow registry")

    @model_validator(mode="after")
    def _one_declaration(self) -> RegisterRequest:
        if (self.manifest is None) == (self.model is None):
            raise ValueError("exactly one of `manifest` and `model` must be given")
        return self

    def overrides(self) -> dict[str, Any]:
        """The fields that win over the manifest's. Raises Invalid for a path: it names the files that were sent."""
        if "path" in self.declared:
            raise Invalid("`declared` may hold no path", faults=(Fault("not accepted", "/declared/path"),))
        given = {"name": self.name, "description": self.description, "tags": self.tags}
        return {**self.declared, **{key: value for key, value in given.items() if value is not None}}


class Upload(Document):
    """How far an upload is."""

    upload_id: str
    container: str
    directory: str
    manifest_file: str
    phase: UploadPhase
    model_id: str | None = Field(description="name:version it became")
    missing: list[str] = Field(description="files it waits for")
    faults: list[dict[str, Any]] = Field(description="what is wrong with the manifest")
    conditions: list[Condition]
    deadline: datetime
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Upload:
        """The answer for a stored upload."""
        spec, status = UploadSpec.model_validate(resource.spec), UploadStatus.model_validate(resource.status)
        done = status.model_version is not None
        return cls(
            upload_id=resource.name,
            container=spec.container,
            directory=spec.directory,
            manifest_file=spec.manifest_file,
            phase=UploadPhase(status.phase),
            model_id=f"{status.model_name}:{status.model_version}" if done else None,
            missing=status.missing,
            faults=status.faults,
            conditions=status.conditions,
            deadline=spec.deadline,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class UploadPage(Document):
    items: list[Upload]
    continuation: str | None
