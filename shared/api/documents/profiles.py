"""Profiles of models."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from shared.resources.base import Document, Resource
from shared.resources.model import REFERENCE_PATTERN
from shared.resources.profile import ProfileState
from shared.resources.profile_job import ProfileSpec, ProfileStatus

Rate = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False, strict=True)]


class ProfileRequested(Document):
    """Profile a version: which CPU and memory answer so many requests per second in time."""

    environment: str = Field(pattern=REFERENCE_PATTERN, description="NAME or NAME:VERSION; it must be built")
    target_rps: Rate = Field(description="requests per second that are to be answered")
    p99_ms: Rate = Field(description="milliseconds that 99 % of them may take")
    max_memory_gb: Rate = Field(default=2.0, description="memory that may be recommended, GB of 2**30 bytes")
    entry_script: str = Field(default="", max_length=1024, description="a file of the model with init() and run()")
    sample: str | None = Field(
        default=None, max_length=4_000_000, description="requests, one a row [the model's sample_input]"
    )
    sample_name: str = Field(
        default="sample.jsonl", max_length=255, pattern=r"\.(jsonl|ndjson|json|csv)$", description="says the format"
    )


class Profile(Document):
    """A profile; `result` has Azure ML's field names."""

    profile_id: str
    state: ProfileState
    model: str
    environment: str
    target_rps: float
    p99_ms: float
    result: dict[str, Any] | None = Field(description="what was found; null before it has ended")
    log_tail: list[str] = Field(description="the last lines of its progress")
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Profile:
        """The answer for a stored profile."""
        spec = ProfileSpec.model_validate(resource.spec)
        status = ProfileStatus.model_validate(resource.status)
        return cls(
            profile_id=resource.name,
            state=status.phase,
            model=f"{spec.model_name}:{spec.model_version}",
            environment=spec.environment,
            target_rps=spec.target_rps,
            p99_ms=spec.p99_ms,
            result=status.result.as_json() if status.result else None,
            log_tail=status.log_tail,
            started_at=status.started_at,
            finished_at=status.finished_at,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class ProfilePage(Document):
    items: list[Profile]
    continuation: str | None
