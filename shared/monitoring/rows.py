"""The rows of a data set: those of all its files that lie in its window and its segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from shared.errors import Invalid
from shared.monitoring.column_types import ColumnType
from shared.monitoring.readers.reader import Reader, Reading
from shared.monitoring.readers.table import reader_of
from shared.resources.monitor_request import DataSet
from shared.resources.monitor_result import DataCounts

COLLECTED_TIME = "time"


class Rows:
    """Opens the files once to learn their columns, and reads them as often as it is asked to."""

    def __init__(self, data: DataSet, *, complete_only: bool = False) -> None:
        """`complete_only`: rows with a null in any of the columns that are read do not count (Azure ML's rule)."""
        self._data, self._complete_only = data, complete_only
        self._readers: list[Reader] = [reader_of(file) for file in data.files]
        self._time = data.time_column or (
            COLLECTED_TIME if any(file.format.startswith("collected") for file in data.files) else ""
        )
        self.seen: set[str] = set()  # ids of collected requests, of what was read last
        self.schema: dict[str, ColumnType] = {}
        for reader in self._readers:
            for name, kind in reader.schema().items():
                self.schema[name] = common_type(self.schema.get(name, kind), kind)
        self._check()
        self.schema = {name: kind for name, kind in self.schema.items() if _counts(data, name)}

    def _check(self) -> None:
        data = self._data
        windowed = data.window_start is not None or data.window_end is not None
        if windowed and not self._time and data.files:
            raise Invalid(
                "a window is given, and no column that says when a row was seen", remedy="name it: time_column"
            )
        for name in filter(None, (data.time_column, data.segment_column)):
            if self._readers and name not in self.schema:
                raise _missing(data, name, self.schema)
        for name in (*data.only_columns, *data.without_columns):
            if self._readers and name not in self.schema:
                raise _missing(data, name, self.schema)

    @property
    def has_files(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._readers)

    @property
    def apart(self) -> bool:
        """Whether one column can be read without the others: no row has to be left out, and the formats allow it."""
        return not self._filters() and all(reader.columnar for reader in self._readers)

    def _filters(self) -> bool:
        data = self._data
        return self._complete_only or bool(data.segment_column or data.window_start or data.window_end)

    def batches(self, columns: Sequence[str], counts: DataCounts | None = None) -> Iterator[pa.RecordBatch]:
        """The rows that count, with those of the columns that their file has; what is read is counted in `counts`."""
        reading = Reading(DataCounts() if counts is None else counts)
        reading.counts.files += len(self._readers)
        self.seen = reading.seen
        needed = [*dict.fromkeys([*columns, *filter(None, (self._time_needed(), self._data.segment_column))])]
        for reader in self._readers:
            for batch in reader.batches(needed, reading):
                kept = self._kept(batch, columns, reading.counts) if self._filters() else batch
                reading.counts.rows += kept.num_rows
                yield kept.select([name for name in kept.schema.names if name in columns])

    def _time_needed(self) -> str:
        return self._time if self._data.window_start or self._data.window_end else ""

    def _kept(self, batch: pa.RecordBatch, columns: Sequence[str], counts: DataCounts) -> pa.RecordBatch:
        from shared.monitoring import filters

        data = self._data
        if self._time_needed():
            inside = batch.filter(filters.within(batch.column(self._time), data.window_start, data.window_end))
            counts.outside_rows += batch.num_rows - inside.num_rows
            batch = inside
        if data.segment_column:
            batch = batch.filter(filters.among(batch.column(data.segment_column), data.segment_values))
        return filters.complete(batch, columns) if self._complete_only else batch


def _counts(data: DataSet, name: str) -> bool:
    return name not in data.without_columns and (not data.only_columns or name in data.only_columns)


def _missing(data: DataSet, name: str, schema: dict[str, ColumnType]) -> Invalid:
    return Invalid(f"{data.label or 'the data'}: there is no column {name!r}", remedy=_names(schema))


def common_type(first: ColumnType, second: ColumnType) -> ColumnType:
    """The type of a column that has both in different files; the same in whatever order files are looked at."""
    if first is second:
        return first
    numeric = {first, second} == {ColumnType.INTEGER, ColumnType.FLOAT}
    return ColumnType.FLOAT if numeric else ColumnType.STRING


def _names(schema: dict[str, ColumnType]) -> str:
    shown = ", ".join(list(schema)[:20])
    return f"name one of {shown}" if shown else "give data with columns"
