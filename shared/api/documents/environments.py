"""Environments: versions, their locks and builds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.resources.base import Condition, Document, Resource
from shared.resources.build import BuildPhase, BuildStatus
from shared.resources.environment_build import EnvironmentPhase, EnvironmentVersionStatus


class EnvironmentBuild(Document):
    """The build of an identity."""

    phase: BuildPhase
    location: str = Field(description="a folder, or an image by digest; empty while it is not built")
    size_bytes: int = Field(description="0 when it is not known")
    log_tail: list[str] = Field(description="the last lines the builder printed")
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, resource: Resource) -> EnvironmentBuild:
        """The answer for a stored build."""
        status = BuildStatus.model_validate(resource.status)
        return cls.model_validate(status.model_dump(include=set(cls.model_fields)))


class EnvironmentVersion(Document):
    """One version of an environment."""

    name: str
    version: str
    phase: EnvironmentPhase
    declaration: dict[str, Any] = Field(description="as it was declared")
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    identity: str = Field(description="hash of base image, build steps and locked packages; empty while not locked")
    packages: list[str] = Field(description="NAME==VERSION of the lock")
    locked_from: str = Field(description="the version whose pins were kept; empty for none")
    base_image: str | None = Field(description="what it rests on, as declared; null: the builder's own")
    base_digest: str | None = Field(description="which image that was when it was locked; null where nobody could say")
    location: str = Field(description="a folder, or an image by digest; empty while it is not built")
    outdated: str = Field(description="why it should be built again; empty when it should not")
    archived: bool
    conditions: list[Condition]
    build: EnvironmentBuild | None = Field(default=None, description="shown for one version only")
    users: list[str] = Field(default_factory=list, description="what refers to it; shown for one version only")
    created_at: datetime
    created_by: str

    @classmethod
    def of(
        cls, resource: Resource, build: Resource | None = None, users: list[str] | None = None
    ) -> EnvironmentVersion:
        """The answer for a stored version."""
        status = EnvironmentVersionStatus.model_validate(resource.status)
        shared = set(EnvironmentVersionStatus.model_fields) & set(cls.model_fields)
        return cls(
            **status.model_dump(include=shared),
            name=resource.name,
            version=str(resource.version),
            declaration=resource.spec.get("declaration", {}),
            description=resource.description,
            tags=resource.tags,
            properties=resource.properties,
            build=EnvironmentBuild.of(build) if build else None,
            users=users or [],
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class EnvironmentVersionPage(Document):
    items: list[EnvironmentVersion]
    continuation: str | None


class UnresolvedImage(Document):
    """A base image of which nobody could say whether it changed."""

    image: str
    reason: str


class EnvironmentCheck(Document):
    """What looking at all base images came to."""

    items: list[EnvironmentVersion] = Field(description="the versions that should be built again")
    unresolved: list[UnresolvedImage]


class EnvironmentText(Document):
    """A text that belongs to a version: its lock, or the log of its build."""

    text: str


class EnvironmentBill(Document):
    """A software bill of materials, CycloneDX 1.6."""

    bill: dict[str, Any]


class PackageChanged(Document):
    """A package whose version differs."""

    name: str
    before: str | None = Field(description="null: it was not there")
    after: str | None = Field(description="null: it is not there any more")


class EnvironmentDiff(Document):
    """What differs between the locks of two versions."""

    before: str
    after: str
    is_same: bool = Field(description="whether both are the same environment: their identity is the same")
    packages: list[PackageChanged]
