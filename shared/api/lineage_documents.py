"""The documents of runs, as REST answers them. Lineage is answered as it is: shared.resources.lineage."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.resources.base import Document, Resource
from shared.resources.model import ModelFile
from shared.resources.run import RunFacts, RunSpec


class Run(RunFacts):
    """A registered run."""

    run_id: str
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    files: list[ModelFile] = Field(description="its artifacts")
    size_bytes: int
    created_at: datetime
    created_by: str
    modified_at: datetime
    modified_by: str

    @classmethod
    def of(cls, resource: Resource) -> Run:
        """The answer for a stored run."""
        spec = RunSpec.model_validate(resource.spec)
        common = ("description", "tags", "properties", "created_at", "created_by", "modified_at", "modified_by")
        return cls(
            run_id=spec.run_id,
            files=spec.files,
            size_bytes=sum(file.size_bytes for file in spec.files),
            **{name: getattr(spec, name) for name in RunFacts.model_fields},
            **{name: getattr(resource, name) for name in common},
        )


class RunPage(Document):
    items: list[Run]
    continuation: str | None
