"""What a reader of a format does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from shared.errors import Invalid, NotFound
from shared.monitoring.column_types import ColumnType
from shared.resources.monitor_result import DataCounts

BATCH_ROWS = 65_536  # a column of them stays in the processor's cache, and in memory that is used again


@dataclass(slots=True)
class Reading:
    """What is counted while files of one data set are read."""

    counts: DataCounts = field(default_factory=DataCounts)
    seen: set[str] = field(default_factory=set)  # ids of collected requests


class Reader(Protocol):
    """One file."""

    columnar: bool  # whether one column can be read without reading the others

    def schema(self) -> dict[str, ColumnType]:
        """The columns in their order. Raises Invalid for a file that is not of the format."""
        ...

    def batches(self, columns: Sequence[str] | None, reading: Reading) -> Iterator[pa.RecordBatch]:
        """All rows with these columns, where the file has them; None: with every column."""
        ...


def existing(path: str) -> Path:
    """The file. Raises NotFound where there is none, Invalid for an empty one."""
    found = Path(path)
    if not found.is_file():
        raise NotFound(f"{path} is no file", remedy="name a file that exists")
    if found.stat().st_size == 0:
        raise Invalid(f"{path} is empty", remedy="name a file with data; a data set without rows still has columns")
    return found
