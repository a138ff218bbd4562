"""JSON Lines: an object a line, block by block."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.json as pajson

from shared.monitoring.column_types import ColumnType, type_of
from shared.monitoring.readers.reader import Reading, existing
from shared.monitoring.readers.typed_text import type_of_texts
from shared.resources.monitor_request import DataFile

BLOCK_BYTES = 4 * 2**20
MAX_LINE_BYTES = 64 * 2**20  # what is longer is no line of data


class JsonLinesReader:
    """A file of objects whose members are columns. Lines that are no object are counted as corrupt."""

    columnar = False

    def __init__(self, file: DataFile) -> None:
        self._path = file.path
        first = next(self.batches(None, Reading()), None)
        self._schema = {} if first is None else {name: column_type(first.column(name)) for name in first.schema.names}

    def schema(self) -> dict[str, ColumnType]:
        """What the values of the first block are."""
        return dict(self._schema)

    def batches(self, columns: Sequence[str] | None, reading: Reading) -> Iterator[pa.RecordBatch]:
        """Block by block: by Arrow's parser where every line is right, else line by line."""
        with existing(self._path).open("rb") as file:
            for block in blocks(file):
                for batch in self._parsed(block, reading):
                    names = [name for name in batch.schema.names if columns is None or name in columns]
                    yield batch.select(names)

    def _parsed(self, block: bytes, reading: Reading) -> Iterator[pa.RecordBatch]:
        try:
            table = pajson.read_json(io.BytesIO(block), pajson.ReadOptions(block_size=len(block) + 1))
        except pa.ArrowInvalid:
            rows = [row for row in objects(block.splitlines(), reading) if row]
            if rows:
                yield batch_of(rows)
        else:
            yield from table.to_batches()


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Whole lines of about BLOCK_BYTES together."""
    rest = b""
    while chunk := file.read(BLOCK_BYTES):
        whole, newline, after = chunk.rpartition(b"\n")
        if newline:
            yield rest + whole + newline
            rest = after
        elif len(rest) > MAX_LINE_BYTES:
            rest = b"\x00"  # no line: counted as corrupt when it ends
        else:
            rest += chunk
    if rest.strip():
        yield rest


def objects(lines: Iterable[bytes], reading: Reading) -> Iterator[dict[str, Any]]:
    """The objects of the lines; others are counted, empty ones are not."""
    for line in lines:
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            yield found
        else:
            reading.counts.corrupt_lines += 1


def batch_of(rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows as columns, in the order they are first seen; what has values of several types becomes text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.RecordBatch.from_arrays([_array([row.get(name) for row in rows]) for name in names], names=names)


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        if all(isinstance(one, int | float) or one is None for one in values):
            return pa.array([None if one is None else float(one) for one in values], pa.float64())
        return pa.array(
            [one if one is None or isinstance(one, str) else json.dumps(one) for one in values], pa.string()
        )


def column_type(array: pa.Array) -> ColumnType:
    """Of the array; of mixed values, that of most."""
    found = type_of(array.type)
    if found is ColumnType.STRING and (mostly := type_of_texts(array)) in (ColumnType.FLOAT, ColumnType.INTEGER):
        return mostly
    return found
