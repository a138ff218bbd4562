"""Optimisations of models."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.resources.automation import VARIANTS
from shared.resources.base import NAME_PATTERN, Condition, Document, Resource
from shared.resources.optimization import OptimizationResult, Tolerances, Variant
from shared.resources.optimization_job import OptimizationPhase, OptimizationSpec, OptimizationStatus


class OptimizationRequested(Document):
    """Convert a version to ONNX, make variants, verify and measure them, register the best."""

    source_kind: str = Field(
        default="", max_length=40, description="sklearn, xgboost, lightgbm, pytorch, tensorflow, onnx [the files tell]"
    )
    framework_version: str = Field(
        default="", max_length=40, pattern=r"^[0-9A-Za-z.+!-]*$", description="the model was made by [the files tell]"
    )
    sample: str | None = Field(default=None, max_length=4_000_000, description="rows [the model's sample_input]")
    sample_name: str = Field(default="sample.csv", max_length=255, pattern=r"\.(csv|json)$", description="its format")
    tolerances: Tolerances = Field(default_factory=Tolerances, description="what is the same output")
    variants: list[Variant] = Field(default_factory=lambda: list(Variant), min_length=1, description=VARIANTS)
    register_as: str = Field(
        default="", max_length=255, pattern=f"^$|{NAME_PATTERN}", description="name of the derived model [NAME-onnx]"
    )


class Optimization(Document):
    """An optimisation, and its table of variants."""

    optimization_id: str
    phase: OptimizationPhase
    model: str
    source_kind: str
    registered: str = Field(description="NAME:VERSION of the best variant; empty when there is none")
    result: OptimizationResult | None = Field(description="the variants; null before it has ended")
    log_tail: list[str] = Field(description="the last lines of its progress")
    conditions: list[Condition]
    started_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, resource: Resource) -> Optimization:
        """The answer for a stored optimisation."""
        spec = OptimizationSpec.model_validate(resource.spec)
        status = OptimizationStatus.model_validate(resource.status)
        shared = {"phase", "registered", "result", "log_tail", "conditions", "started_at", "finished_at"}
        return cls(
            **status.model_dump(include=shared),
            optimization_id=resource.name,
            model=f"{spec.model_name}:{spec.model_version}",
            source_kind=status.result.source.kind if status.result else spec.source_kind,
            created_at=resource.created_at,
            created_by=resource.created_by,
        )


class OptimizationPage(Document):
    items: list[Optimization]
    continuation: str | None
