"""Windows of collected data as resources: an hour of a collection, and the sketches that stand for its rows.

A window is what one folder of the collector's layout holds: an hour, or a day where files are rolled by the day.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.resources.base import Document
from shared.resources.build import StoredText, WorkStatus
from shared.resources.monitor_request import DataFile
from shared.resources.monitor_result import DataCounts

KIND = "collection-window"


class WindowPhase(StrEnum):
    """Where a window is on its way."""

    PENDING = "Pending"  # something arrived: it is sketched when its time is over and nothing has come for a while
    SKETCHING = "Sketching"  # its rows are read
    SKETCHED = "Sketched"  # its sketches cover the files that were there then
    UNUSED = "Unused"  # no monitor compares it with a stored sketch: nothing was read
    FAILED = "Failed"  # its rows cannot be read: `error` says why


_P = WindowPhase
# Every change of phase that may happen. Whatever arrives leads back.
WINDOW_TRANSITIONS: dict[WindowPhase, frozenset[WindowPhase]] = {
    _P.PENDING: frozenset({_P.SKETCHING, _P.UNUSED, _P.FAILED}),
    _P.SKETCHING: frozenset({_P.SKETCHED, _P.PENDING, _P.FAILED}),
    _P.SKETCHED: frozenset({_P.PENDING}),
    _P.UNUSED: frozenset({_P.PENDING}),
    _P.FAILED: frozenset({_P.PENDING}),
}
WINDOW_TERMINAL = frozenset({_P.SKETCHED, _P.UNUSED, _P.FAILED})


class CollectionWindowSpec(Document):
    """Which rows."""

    deployment: str  # the resource's name of the deployment that collects, ENDPOINT.DEPLOYMENT
    collection: str  # ENDPOINT/DEPLOYMENT/COLLECTION
    folder: str  # below it, YYYY/MM/DD/HH or YYYY/MM/DD
    collected_on: str  # collection and day, ENDPOINT/DEPLOYMENT/COLLECTION/YYYY/MM/DD: windows are found by it
    start: datetime  # of the time when its files are written
    end: datetime


class CollectedFile(Document):
    """A file of collected data, as it was when it was listed."""

    path: str  # below the collection's folder
    size_bytes: int
    etag: str  # changes whenever it is written


class WindowReading(Document):
    """What the statistics are asked: `python -m shared.monitoring.window READING.json FOLDER`."""

    files: list[DataFile]  # local, in their order
    baselines: dict[str, str]  # local paths of the stored sketches at whose edges is counted, by their SHA-256


class WindowFound(Document):
    """What they found, as `found.json` in the folder, beside `ids` and the sketches by their baselines' SHA-256."""

    columns: dict[str, str]  # type by name, of the rows
    counts: DataCounts  # of the reading
    first: datetime | None = None  # time of the earliest row; None without rows
    last: datetime | None = None  # and of the latest


class WindowFacts(Document):
    """What a window's sketches are of: an artifact beside them."""

    found: WindowFound  # what was read
    files: list[CollectedFile]  # whose lines were read, sorted by path; they were the same after the reading
    listed_at: datetime  # when they were listed


class StoredWindow(Document):
    """What is kept of a window, in the artifact store."""

    facts: StoredText  # WindowFacts as JSON
    ids: StoredText  # hashes of the ids of its lines, sorted, 8 bytes each: an id of two windows counts once
    sketches: dict[str, StoredText]  # by the SHA-256 of the stored sketch whose edges it counts at


class WindowOutcome(Document):
    """What came of reading a window."""

    stored: StoredWindow | None = None  # None: its files changed while they were read, nothing is kept
    counts: DataCounts = Field(default_factory=DataCounts)  # what was read
    listed_at: datetime  # when its files were listed


class CollectionWindowStatus(WorkStatus):
    """What is so of a window."""

    phase: WindowPhase = WindowPhase.PENDING
    arrived_at: datetime | None = None  # when it was heard of what is not sketched yet
    attempt: int = 0  # how often its rows were begun to be read; names the reading
    more_arrived: bool = False  # whether something came while they were read
    baselines: list[StoredText] = Field(default_factory=list)  # stored sketches that monitors compare it with
    listed_at: datetime | None = None  # when its files were listed that are sketched
    stored: StoredWindow | None = None  # the sketches; None before there are any
    counts: DataCounts = Field(default_factory=DataCounts)  # what they are of
    error: str = ""  # why there are none


class SketchedWindow(Document):
    """A window whose sketch may stand for its rows in a signal."""

    folder: str  # below the collection's
    facts: StoredText  # what it is of
    ids: StoredText  # hashes of the ids of its lines
    sketch: StoredText  # at the edges of the signal's baseline


def window_name(collection: str, folder: str) -> str:
    """The resource's name."""
    return f"w-{hashlib.sha256(f'{collection}/{folder}'.encode()).hexdigest()[:32]}"
