"""Parquet: batch by batch, texts by the codes of their dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import Invalid
from shared.monitoring.column_types import ColumnType, type_of
from shared.monitoring.readers.reader import BATCH_ROWS, Reading, existing


class ParquetReader:
    """A Parquet file. Each thread needs one of its own while it reads: `batches` opens the file anew."""

    columnar = True

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            with pq.ParquetFile(existing(path)) as file:
                self._metadata, self._arrow = file.metadata, file.schema_arrow
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
        texts = [name for name in wanted if type_of(self._arrow.field(name).type) is ColumnType.STRING]
        try:
            with pq.ParquetFile(self._path, metadata=self._metadata, read_dictionary=texts) as file:
                yield from file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise Invalid(f"{self._path} cannot be read to its end: {error}", remedy="write the file anew") from error
