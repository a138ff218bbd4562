"""Profiles as resources: what is to be profiled, and how far it is. What comes out is in shared.resources.profile."""

from __future__ import annotations

from pydantic import Field

from shared.resources.base import Document
from shared.resources.build import StoredText, WorkStatus
from shared.resources.model import ModelFile
from shared.resources.profile import ProfileResult, ProfileState


class ProfileSpec(Document):
    """A version of a model, in an environment, under a load."""

    model_name: str  # the model
    model_version: str
    files: list[ModelFile]  # its files, sorted by path
    environment: str  # NAME:VERSION it is served in
    entry_script: str = ""  # path in the model's files of a script with init() and run(); "" for none
    sample: StoredText  # requests, one a row
    sample_name: str  # the sample's file name, whose end says its format
    target_rps: float  # requests per second that are to be answered
    p99_ms: float  # milliseconds that 99 % of them may take
    max_memory_gb: float  # GB of 2**30 bytes that may be recommended
    references: list[str] = Field(default_factory=list)  # what it is about: KIND/NAME:VERSION


class ProfileStatus(WorkStatus):
    """What is so of a profile."""

    phase: ProfileState = ProfileState.NOT_STARTED
    result: ProfileResult | None = None  # what was found; None before it ended
