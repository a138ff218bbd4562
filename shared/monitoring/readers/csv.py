"""CSV with a header (RFC 4180), block by block; every value is read as text, so that none is lost by its type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from shared.errors import Invalid
from shared.monitoring.column_types import ColumnType
from shared.monitoring.readers.reader import Reading, existing
from shared.monitoring.readers.typed_text import type_of_texts, typed
from shared.resources.monitor_request import DataFile

BLOCK_BYTES = 4 * 2**20
CORRECTED = (("$aml_dc_scoring_timestamp", "time"), ("$aml_dc_correlation_id", "correlationid"))


class CsvReader:
    """A CSV file."""

    columnar = False

    def __init__(self, file: DataFile) -> None:
        self._path, self._delimiter = file.path, file.delimiter
        first = next(self._open(Reading()), None)
        self._names = first.schema.names if first is not None else []
        self._schema = {name: type_of_texts(first.column(name)) for name in self._names} if first is not None else {}

    def schema(self) -> dict[str, ColumnType]:
        """What the values of the first block are."""
        return dict(self._schema)

    def batches(self, columns: Sequence[str] | None, reading: Reading) -> Iterator[pa.RecordBatch]:
        """Block by block; rows with too many or too few values are counted as corrupt."""
        wanted = [name for name in self._names if columns is None or name in columns]
        for batch in self._open(reading):
            arrays = [typed(batch.column(name), self._schema[name]) for name in wanted]
            yield pa.RecordBatch.from_arrays(arrays, names=wanted)

    def _open(self, reading: Reading) -> Iterator[pa.RecordBatch]:
        def corrupt(row: Any) -> str:
            reading.counts.corrupt_lines += 1
            return "skip"

        names = self._header()
        parse = pacsv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=corrupt, newlines_in_values=True)
        convert = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        try:
            with pacsv.open_csv(existing(self._path), pacsv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
                                parse, convert) as stream:  # fmt: skip
                yield from stream
        except pa.ArrowInvalid as error:
            raise Invalid(f"{self._path} is not CSV with a header: {error}", remedy="give its format") from error

    def _header(self) -> list[str]:
        import csv

        with existing(self._path).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = next(csv.reader(file, delimiter=self._delimiter), [])
        if twice := [name for name in names if names.count(name) > 1]:
            raise Invalid(f"{self._path} has two columns named {twice[0]!r}", remedy="give each column its own name")
        return names


class CollectedCsvReader(CsvReader):
    """CSV of Azure ML's first data collector: its own columns begin with `$aml_`, and two of them mean something."""

    def batches(self, columns: Sequence[str] | None, reading: Reading) -> Iterator[pa.RecordBatch]:
        """As CSV, with `time` and `correlationid`, and without the collector's other columns."""
        renamed = dict(CORRECTED)
        back = {new: old for old, new in CORRECTED}
        wanted = None if columns is None else [back.get(name, name) for name in columns]
        for batch in super().batches(wanted, reading):
            kept = [name for name in batch.schema.names if not name.startswith("$aml_") or name in renamed]
            yield batch.select(kept).rename_columns([renamed.get(name, name) for name in kept])

    def schema(self) -> dict[str, ColumnType]:
        """Without the collector's columns."""
        return {name: kind for name, kind in super().schema().items() if not name.startswith("$aml_")}
