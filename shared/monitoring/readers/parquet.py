"""Parquet: batch by batch, texts by the codes of their dictionaries."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import Invalid
from shared.monitoring.column_types import ColumnType, type_of
from shared.monitoring.readers.reader import BATCH_ROWS, Reading, existing
from shared.resources.monitor_request import DataFile

WHOLE_ROWS = 131_072  # of a file that is read in one batch: its columns are sorted once


class ParquetReader:
    """A Parquet file, opened once by each thread that reads it."""

    columnar = True

    def __init__(self, file: DataFile) -> None:
        path = file.path
        self._path, self._local = path, threading.local()
        try:
            with pa.OSFile(str(existing(path))) as source:
                opened = pq.ParquetFile(source)
                self._metadata, self._arrow = opened.metadata, opened.schema_arrow
        except pa.ArrowInvalid as error:
            raise Invalid(
                f"{path} is not a Parquet file: {error}", remedy="name a Parquet file, or its format"
            ) from error

    def schema(self) -> dict[str, ColumnType]:
        """From the file's own."""
        return {one.name: type_of(one.type) for one in self._arrow}

    def batches(self, columns: Sequence[str] | None, reading: Reading) -> Iterator[pa.RecordBatch]:
        """Row group by row group."""
        held = self._arrow.names
        wanted = [name for name in (held if columns is None else columns) if name in held]
        rows = self._metadata.num_rows if self._metadata.num_rows <= WHOLE_ROWS else BATCH_ROWS
        try:
            yield from self._file().iter_batches(max(1, rows), columns=wanted, use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise Invalid(f"{self._path} cannot be read to its end: {error}", remedy="write the file anew") from error

    def _file(self) -> pq.ParquetFile:
        found = getattr(self._local, "file", None)
        if found is None:
            texts = [one.name for one in self._arrow if type_of(one.type) is ColumnType.STRING]
            source = pa.OSFile(self._path)
            found = self._local.file = pq.ParquetFile(
                source, metadata=self._metadata, read_dictionary=texts, pre_buffer=False
            )
        return found
