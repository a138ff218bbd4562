"""Runs: what trained or made something, wherever it ran, and the files it left. A model may be made of those files."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from shared.resources.base import Document
from shared.resources.model import DatasetReference, ModelFile, TextMap
from shared.resources.upload import UPLOAD_ID_PATTERN

KIND = "run"
MAX_FILES = 2000  # Azure ML's limit of a snapshot
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")


class RunStatus(StrEnum):
    """Azure ML's status values of a run (azureml-core, RunStatus)."""

    NOT_STARTED = "NotStarted"
    UNAPPROVED = "Unapproved"
    PAUSING = "Pausing"
    PAUSED = "Paused"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    PROVISIONING = "Provisioning"
    STARTING = "Starting"
    RUNNING = "Running"
    NOT_RESPONDING = "NotResponding"
    CANCEL_REQUESTED = "CancelRequested"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


ENDED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED})  # a run never leaves these


def _written_out(value: Any) -> Any:
    """A time as RFC 3339 has it; a number, which might count seconds or milliseconds, is none."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_TIME.match(value)):
        return value
    raise ValueError(f"{str(value)[:40]!r} is no time such as 2026-11-23T12:00:00Z")


Time = Annotated[AwareDatetime, BeforeValidator(_written_out, json_schema_input_type=AwareDatetime)]


class RunFacts(Document):
    """What is said of a run besides its files; the same in a request, in the registry and in answers."""

    experiment_name: str | None = Field(default=None, max_length=256, description="the experiment it belongs to")
    status: RunStatus = Field(default=RunStatus.COMPLETED, description="how far it is")
    start_time: Time | None = Field(default=None, description="when it began")
    end_time: Time | None = Field(default=None, description="when it ended")
    environment: str | None = Field(
        default=None, min_length=1, max_length=1024, description="azureml:NAME:VERSION, or any other name of it"
    )
    inputs: list[DatasetReference] = Field(default_factory=list, max_length=100, description="data sets it read")
    outputs: list[DatasetReference] = Field(default_factory=list, max_length=100, description="data sets it wrote")

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> RunFacts:
        if self.start_time and self.end_time and self.end_time < self.start_time:
            raise ValueError("`end_time` is before `start_time`")
        return self


class RunDeclaration(RunFacts):
    """Register a run. Sent again, facts and tags are replaced; files and properties are only added."""

    upload_id: str | None = Field(
        default=None, pattern=UPLOAD_ID_PATTERN, description="the upload session that its files were sent to"
    )
    files: list[Annotated[str, Field(min_length=1, max_length=1024)]] | None = Field(
        default=None, max_length=MAX_FILES, description="exactly these files; left out: all that were sent"
    )
    description: str | None = Field(default=None, max_length=65536, description="free text")
    tags: TextMap = Field(default_factory=dict, description="mutable labels for search")
    properties: TextMap = Field(default_factory=dict, description="facts that never change; keys may be added later")

    @model_validator(mode="after")
    def _files_of_an_upload(self) -> RunDeclaration:
        if self.files is not None and self.upload_id is None:
            raise ValueError("`files` needs `upload_id`")
        return self


class RunSpec(RunFacts):
    """A run as it is kept. Its files never change and never go: models are made of them."""

    run_id: str  # its name, so that it is found by it like the models it made
    files: list[ModelFile]  # its artifacts, sorted by path
    references: list[str] = Field(default_factory=list)  # resources it refers to: KIND/NAME:VERSION
    upload_ids: list[str] = Field(default_factory=list)  # the uploads whose files it took
