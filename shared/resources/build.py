"""What every build has: a builder's run, its log, and where what came out is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document, Status


class StoredText(Document):
    """A text in the artifact store."""

    sha256: str  # its name there
    size_bytes: int  # its length


class BuildPhase(StrEnum):
    """Where a build is on its way."""

    QUEUED = "Queued"  # nothing runs yet: it is about to begin, or waits for what it rests on
    BUILDING = "Building"  # the builder works on it
    SUCCEEDED = "Succeeded"  # it is there, whole and verified
    FAILED = "Failed"  # the builder said why; nothing of it is used
    CANCELED = "Canceled"  # somebody asked for that


_B = BuildPhase
# Every change of phase that may happen. Building again is the way back.
BUILD_TRANSITIONS: dict[BuildPhase, frozenset[BuildPhase]] = {
    _B.QUEUED: frozenset({_B.BUILDING, _B.FAILED, _B.CANCELED}),
    _B.BUILDING: frozenset({_B.SUCCEEDED, _B.FAILED, _B.CANCELED}),
    _B.SUCCEEDED: frozenset({_B.QUEUED}),
    _B.FAILED: frozenset({_B.QUEUED}),
    _B.CANCELED: frozenset({_B.QUEUED}),
}
BUILD_TERMINAL = frozenset({_B.SUCCEEDED, _B.FAILED, _B.CANCELED})


class WorkStatus(Status):
    """What is so of long work that a builder, an optimiser or a profiler does."""

    run_id: str = ""  # its name of the run under way or done; "" before one was begun
    cancel_requested: bool = False  # whether somebody wants it to end
    log_tail: list[str] = Field(default_factory=list)  # the last lines of what it printed
    started_at: datetime | None = None  # when it began
    finished_at: datetime | None = None  # when it ended


class BuildStatus(WorkStatus):
    """What is so of a build."""

    phase: BuildPhase = BuildPhase.QUEUED
    log: StoredText | None = None  # what the builder printed so far; None before it printed anything
    location: str = ""  # where it is: a folder, or an image reference by digest
    size_bytes: int = 0  # what it takes on the disk, or as an image; 0 when not known
