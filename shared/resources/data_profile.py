"""What is known of a version of a data asset besides its files: how its rows are read, its profile and its sketch."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator

from shared.resources.base import Document
from shared.resources.build import StoredText
from shared.resources.declared import AssetVersionStatus
from shared.resources.importance import LearntImportance
from shared.resources.model import ModelFile
from shared.resources.monitor_request import FileFormat
from shared.resources.monitor_result import DataCounts


class DataPhase(StrEnum):
    """Where a version of a data asset is on its way. It can be used as files in every one of them."""

    PENDING = "Pending"  # registered; nobody has looked at its files yet
    FETCHING = "Fetching"  # its files are brought from where its path says
    PROFILING = "Profiling"  # its rows are read
    PROFILED = "Profiled"  # its profile and its sketch are stored
    UNPROFILED = "Unprofiled"  # it holds no rows that can be read here: `reason` says why
    FAILED = "Failed"  # its files cannot be copied, or its rows not be read: `reason` says why


_P = DataPhase
# Every change of phase that may happen. Profiling again is the way back.
DATA_TRANSITIONS: dict[DataPhase, frozenset[DataPhase]] = {
    _P.PENDING: frozenset({_P.FETCHING, _P.PROFILING, _P.UNPROFILED, _P.FAILED}),
    _P.FETCHING: frozenset({_P.PROFILING, _P.UNPROFILED, _P.FAILED}),
    _P.PROFILING: frozenset({_P.PROFILED, _P.UNPROFILED, _P.FAILED}),
    _P.PROFILED: frozenset({_P.PENDING}),
    _P.UNPROFILED: frozenset({_P.PENDING}),
    _P.FAILED: frozenset({_P.PENDING}),
}
DATA_TERMINAL = frozenset({_P.PROFILED, _P.UNPROFILED, _P.FAILED})


class DataPart(Document):
    """A file that holds rows, and how they are read."""

    file: ModelFile
    format: FileFormat
    delimiter: str = ","  # of CSV


class DataTable(Document):
    """The rows of a data asset."""

    parts: list[DataPart]  # sorted by path
    only_columns: list[str] = Field(default_factory=list)  # columns that count; none: all
    without_columns: list[str] = Field(default_factory=list)  # columns that do not


class DataProfile(Document):
    """The document that the statistics write about a data set."""

    rows: int
    counts: DataCounts  # what was read
    columns: list[dict[str, Any]]  # a profile each, with the names of Azure ML's


PUT_ASIDE = "Stalled"  # the type of the condition that the loop of controllers sets


class FetchedData(Document):
    """The files of a version that lie elsewhere, as they were when they were brought: these bytes are the version."""

    origin: str  # where from, without what a query may hold
    files: list[ModelFile]  # by path relative to it, stored here
    at: datetime  # when they were brought


class DataVersionStatus(AssetVersionStatus):
    """What is so of one version of a data asset."""

    phase: DataPhase = DataPhase.PENDING
    digest: str = ""  # of all its files and their paths: the same for the same content; "" before they were looked at
    fetched: FetchedData | None = None  # never changes once it is there; None: its files are those of the spec
    reason: str = ""  # why there is no profile, of Unprofiled and Failed
    rows: int | None = None  # that it holds; None before it is profiled
    columns: dict[str, str] = Field(default_factory=dict)  # type by name, of a profiled one
    profile: StoredText | None = None  # the DataProfile as JSON; None before it is profiled
    sketch: StoredText | None = None  # stands for its rows as a baseline; None before it is profiled
    importances: list[LearntImportance] = Field(default_factory=list)  # what monitors learnt from its rows
    run_id: str = ""  # the runner's name of the reading under way or done; "" before one was begun
    log_tail: list[str] = Field(default_factory=list)  # the last lines of what that printed
    started_at: datetime | None = None  # when its files were looked at
    finished_at: datetime | None = None  # when it came to an end

    @property
    def why(self) -> str:
        """Why there is no profile, also where tries came to an end: then its condition says it; "" for no reason."""
        put_aside = next((one.message for one in self.conditions if one.type == PUT_ASIDE), "")
        return self.reason or put_aside

    @field_validator("phase", mode="before")
    @classmethod
    def _new(cls, phase: Any) -> Any:
        return phase or DataPhase.PENDING
