"""What was found in a model's files (to be replaced by the inspection branch)."""

from __future__ import annotations

from pydantic import Field

from shared.resources.base import Document


class OnnxInspection(Document):
    path: str
    valid: bool
    problem: str | None = None


class PickleInspection(Document):
    path: str
    severity: str


class SkippedFile(Document):
    path: str
    reason: str


class ModelInspection(Document):
    """What was found."""

    onnx: list[OnnxInspection] = Field(default_factory=list)
    pickles: list[PickleInspection] = Field(default_factory=list)
    skipped: list[SkippedFile] = Field(default_factory=list)
    complete: bool = True  # whether every file was looked into
