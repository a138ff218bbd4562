"""Collected data: a request a line, as Azure ML's data collector and the scoring server write them.

A line is a CloudEvent whose `data` are the rows of a request. Each row gets `time`, and `correlationid` as Azure ML has
it: that of the request, an underscore, the number of the row. Lines with an id that was read before are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from shared.monitoring.column_types import ColumnType
from shared.monitoring.readers.jsonl import batch_of, blocks, column_type, objects
from shared.monitoring.readers.reader import BATCH_ROWS, Reading, existing
from shared.resources.monitor_request import DataFile

TIME, CORRELATION = "time", "correlationid"


class CollectedReader:
    """A file of collected data."""

    columnar = False

    def __init__(self, file: DataFile) -> None:
        self._path, self._begins = file.path, file.begins
        first = next(self.batches(None, Reading()), None)
        names = [] if first is None else [one for one in first.schema.names if one not in (TIME, CORRELATION)]
        self._schema = {name: column_type(first.column(name)) for name in names} if first is not None else {}

    def schema(self) -> dict[str, ColumnType]:
        """What the first rows are, without `time` and `correlationid`."""
        return dict(self._schema)

    def batches(self, columns: Sequence[str] | None, reading: Reading) -> Iterator[pa.RecordBatch]:
        """Rows of many requests together."""
        rows: list[dict[str, Any]] = []
        for row in self._rows(reading):
            rows.append(row if columns is None else {name: row.get(name) for name in columns if name in row})
            if len(rows) >= BATCH_ROWS:
                yield batch_of(rows)
                rows = []
        if rows:
            yield batch_of(rows)

    def _rows(self, reading: Reading) -> Iterator[dict[str, Any]]:
        with existing(self._path).open("rb") as file:
            for block in blocks(file):
                for line in objects(block.splitlines(), reading):
                    if _is_new(line, reading):
                        found = _rows_of(line, reading)
                        if self._begins is not None and found and found[0][TIME] < self._begins:
                            reading.counts.late_rows += len(found)
                        yield from found


def _is_new(line: Mapping[str, Any], reading: Reading) -> bool:
    key = str(line.get("id") or "")
    if key and key in reading.seen:
        reading.counts.duplicate_lines += 1
        return False
    if key:
        reading.seen.add(key)
    return True


def _rows_of(line: Mapping[str, Any], reading: Reading) -> list[dict[str, Any]]:
    data, when = line.get("data"), _time(line.get(TIME))
    rows = [data] if isinstance(data, dict) else data
    if when is None or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        reading.counts.corrupt_lines += 1
        return []
    request = str(line.get("correlationid") or line.get("id") or "")
    return [{**row, TIME: when, CORRELATION: f"{request}_{number}"} for number, row in enumerate(rows)]


def _time(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
