"""Hours of collected data, and their sketches."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.resources.base import Document, Resource
from shared.resources.collection_window import CollectionWindowSpec, CollectionWindowStatus, WindowPhase
from shared.resources.monitor_result import DataCounts


class CollectionWindow(Document):
    """An hour of collected data that a monitor compares."""

    name: str
    collection: str = Field(description="ENDPOINT/DEPLOYMENT/COLLECTION")
    start: datetime = Field(description="of the time when its files are written")
    end: datetime
    phase: WindowPhase
    counts: DataCounts = Field(description="what its sketches are of")
    sketches: int = Field(description="how many baselines it is counted at the edges of")
    attempts: int = Field(description="how often its rows were read")
    error: str = Field(description="why it could not be read")
    listed_at: datetime | None = Field(description="when its files were listed that are sketched")
    created_at: datetime

    @classmethod
    def of(cls, resource: Resource) -> CollectionWindow:
        """The answer for a stored window."""
        spec = CollectionWindowSpec.model_validate(resource.spec)
        status = CollectionWindowStatus.model_validate(resource.status)
        return cls(
            name=resource.name,
            collection=spec.collection,
            start=spec.start,
            end=spec.end,
            phase=status.phase,
            counts=status.counts,
            sketches=len(status.stored.sketches) if status.stored else 0,
            attempts=status.attempt,
            error=status.error,
            listed_at=status.listed_at,
            created_at=resource.created_at,
        )


class CollectionWindowPage(Document):
    items: list[CollectionWindow]
    continuation: str | None
