"""Policies, the audit, and the collection of garbage."""

from __future__ import annotations

from typing import Any

from pydantic import Field, StrictBool

from shared.resources.base import Document, HistoryRecord


class PolicyText(Document):
    """A policy that is in force."""

    path: str
    text: str = Field(description="the JSON Schema, as it lies there")


class PolicyTestRequest(Document):
    """Try a policy."""

    policy: dict[str, Any] | StrictBool | None = Field(
        default=None, description="a JSON Schema; null: the one in force"
    )


class PolicyViolation(Document):
    """A version that a policy would refuse."""

    id: str = Field(description="name:version")
    faults: list[dict[str, Any]]


class PolicyTestPage(Document):
    """What a policy finds in a page of versions."""

    checked: int = Field(description="versions looked at")
    items: list[PolicyViolation]
    continuation: str | None


class AuditHead(Document):
    """What the history of a resource must end with."""

    key: str = Field(description="KIND/NAME or KIND/NAME:VERSION")
    revision: int
    hash: str


class AuditHeadPage(Document):
    items: list[AuditHead]
    continuation: str | None


class HistoryPage(Document):
    items: list[HistoryRecord]
    continuation: str | None


class CollectionRequest(Document):
    """Collect garbage."""

    dry_run: StrictBool = Field(default=False, description="only count what would be deleted")


class CollectionDone(Document):
    """What a garbage collection did."""

    dry_run: bool
    kept: int = Field(description="files that something refers to")
    young: int = Field(description="files that nothing refers to, not old enough")
    collected: int = Field(description="files that were deleted")
    collected_bytes: int
