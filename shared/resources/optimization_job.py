"""Optimisations as resources: what is to be optimised, and how far it is. What comes out is in
shared.resources.optimization."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document
from shared.resources.build import StoredText, WorkStatus
from shared.resources.model import ModelFile
from shared.resources.optimization import OptimizationResult, Tolerances, Variant

KIND = "optimization"
OPTIMIZATION_ID = "slipway.optimization.id"  # property of a derived version: which optimisation made it


class OptimizationPhase(StrEnum):
    """Where an optimisation is on its way."""

    PENDING = "Pending"  # nothing runs yet
    RUNNING = "Running"  # the model is converted, its variants are verified and measured
    SUCCEEDED = "Succeeded"  # the best variant is registered, or there is none: the result says which
    FAILED = "Failed"  # the model could not be opened or converted: a condition says why
    CANCELED = "Canceled"  # somebody asked for that


_P = OptimizationPhase
OPTIMIZATION_TRANSITIONS: dict[OptimizationPhase, frozenset[OptimizationPhase]] = {
    _P.PENDING: frozenset({_P.RUNNING, _P.FAILED, _P.CANCELED}),
    _P.RUNNING: frozenset({_P.SUCCEEDED, _P.FAILED, _P.CANCELED}),
    _P.SUCCEEDED: frozenset(),
    _P.FAILED: frozenset(),
    _P.CANCELED: frozenset(),
}
OPTIMIZATION_TERMINAL = frozenset({_P.SUCCEEDED, _P.FAILED, _P.CANCELED})


class OptimizationSpec(Document):
    """A version of a model, and rows to verify and measure its variants on."""

    model_name: str  # the model
    model_version: str
    files: list[ModelFile]  # its files, sorted by path
    source_kind: str = ""  # sklearn, xgboost...; "" for what the files tell
    framework_version: str = ""  # that the model was made by; "" for what the files tell, else the newest
    sample: StoredText  # rows
    sample_name: str  # the sample's file name, whose end says its format
    tolerances: Tolerances = Field(default_factory=Tolerances)  # of what is the same output
    variants: list[Variant] = Field(default_factory=lambda: list(Variant))  # that are made and may be registered
    register_as: str  # name of the model that the best variant becomes a version of
    references: list[str] = Field(default_factory=list)  # what it is about: KIND/NAME:VERSION


class OptimizationStatus(WorkStatus):
    """What is so of an optimisation."""

    phase: OptimizationPhase = OptimizationPhase.PENDING
    result: OptimizationResult | None = None  # the variants; None before it ended
    registered: str = ""  # NAME:VERSION of the best variant; "" for none
