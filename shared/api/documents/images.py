"""Images of models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from shared.resources.base import Condition, Document, Resource
from shared.resources.build import BuildPhase
from shared.resources.image import PLATFORM_PATTERN, ImageSpec, ImageStatus
from shared.resources.model import REFERENCE_PATTERN

Platform = Annotated[str, Field(pattern=PLATFORM_PATTERN)]


class PackageRequest(Document):
    """Package a model with the scoring server and an environment."""

    environment: str = Field(pattern=REFERENCE_PATTERN, description="NAME or NAME:VERSION; it must be built")
    platforms: list[Platform] = Field(
        default_factory=lambda: ["linux/amd64"], min_length=1, max_length=4, description="linux/amd64, linux/arm64"
    )
    entry_script: str = Field(
        default="", max_length=1024, description="a file of the model with init() and run() [a model without code]"
    )


class Image(Document):
    """An image of a model."""

    image_id: str = Field(description="identity of all that decides what it is")
    phase: BuildPhase
    model: str
    environment: str
    platforms: list[str]
    base_image: str
    entry_script: str
    location: str = Field(description="its reference by digest; empty while it is not packaged")
    digest: str
    size_bytes: int = Field(description="of all its blobs; 0 when it is not known")
    unused: str = Field(description="why nobody needs it any more; empty while somebody may")
    unused_since: datetime | None = Field(description="when that was found out; it goes a retention later")
    log_tail: list[str] = Field(description="the last lines the builder printed")
    conditions: list[Condition]
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Image:
        """The answer for a stored image."""
        spec = ImageSpec.model_validate(resource.spec)
        status = ImageStatus.model_validate(resource.status)
        shared = set(ImageStatus.model_fields) & set(cls.model_fields)
        recipe = spec.recipe
        return cls(
            **status.model_dump(include=shared),
            image_id=resource.name,
            model=f"{recipe.model_name}:{recipe.model_version}",
            environment=spec.environment,
            platforms=recipe.platforms,
            base_image=recipe.base_image,
            entry_script=recipe.entry_script,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class ImagePage(Document):
    items: list[Image]
    continuation: str | None


class ImageLog(Document):
    """What a builder printed."""

    text: str


class ImageBill(Document):
    """A software bill of materials, CycloneDX 1.6."""

    bill: dict[str, Any]
