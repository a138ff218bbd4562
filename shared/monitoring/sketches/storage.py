"""Sketches as bytes: a line that says what it is, the length of a JSON document, the document, and the arrays behind
one another, little-endian. Nothing in it is executed when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import Invalid
from shared.monitoring.arrays import Counts, Floats
from shared.monitoring.column_types import ColumnType
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.column import ColumnSketch
from shared.monitoring.sketches.dataset import DataSketch
from shared.monitoring.sketches.moments import Moments
from shared.monitoring.sketches.numerical import NumericalSketch

MAGIC = b"slipway sketch 1\n"
MAX_BYTES = 2**30
REMEDY = "make the sketch anew from the data"


def dump(sketch: DataSketch) -> bytes:
    """The sketch without values that were kept: counts at edges instead. 25 KB a numerical column."""
    blob = bytearray()
    columns = [_column(column, blob) for column in sketch.columns.values()]
    document = json.dumps({"rows": sketch.rows, "columns": columns}, allow_nan=False).encode()
    return b"".join([MAGIC, len(document).to_bytes(8, "little"), document, bytes(blob)])


def _column(column: ColumnSketch, blob: bytearray) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name, "type": column.type.value, "rows": column.rows, "nulls": column.nulls,
        "errors": column.errors,
    }  # fmt: skip
    if column.categorical is not None:
        found["categories"], found["untracked"] = column.categorical.counts, column.categorical.untracked
    if column.numerical is not None:
        numbers = column.numerical.compacted()
        moments = numbers.moments
        found["moments"] = [moments.count, moments.mean, moments.squares]
        found["moments"] += (
            [moments.minimum, moments.maximum, moments.at_minimum, moments.at_maximum] if moments.count else []
        )
        found["edges"], found["beyond"] = len(numbers.edges), [numbers.below, numbers.above]
        blob += numbers.edges.astype("<f8").tobytes()
        blob += numbers.less.astype("<i8").tobytes() + numbers.at_most.astype("<i8").tobytes()
    return found


def load(data: bytes) -> DataSketch:
    """The sketch of `dump`. Raises Invalid for anything else."""
    head = len(MAGIC) + 8
    if not data.startswith(MAGIC) or len(data) < head:
        raise Invalid("this is no sketch, or one of another version", remedy=REMEDY)
    end = head + int.from_bytes(data[len(MAGIC) : head], "little")
    try:
        document = json.loads(data[head:end])
        arrays = np.frombuffer(data, dtype="<f8", offset=end)
        counts = np.frombuffer(data, dtype="<i8", offset=end)
        place, columns = 0, {}
        for one in document["columns"]:
            columns[one["name"]] = _loaded(one, arrays, counts, place)
            place += 3 * one.get("edges", 0)
        if place != len(arrays):
            raise ValueError(f"{len(arrays) - place} numbers too many")
        return DataSketch(columns, int(document["rows"]))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Invalid(f"this sketch is damaged: {error}", remedy=REMEDY) from error


def _loaded(one: dict[str, Any], arrays: Floats, counts: Counts, place: int) -> ColumnSketch:
    column = ColumnSketch(one["name"], ColumnType(one["type"]), one["rows"], one["nulls"], one["errors"])
    if "categories" in one:
        column.categorical = CategoricalSketch({str(k): int(v) for k, v in one["categories"].items()}, one["untracked"])
    if "moments" in one:
        size = one["edges"]
        edges = arrays[place : place + size]
        less, at_most = (counts[place + at * size : place + (at + 1) * size] for at in (1, 2))
        if not len(edges) == len(less) == len(at_most) == size or not bool(np.all(edges[1:] > edges[:-1])):
            raise ValueError(f"the edges of {column.name!r} are not in order")
        column.numerical = NumericalSketch(Moments(*one["moments"]), edges, less, at_most, *one["beyond"])
    return column


def write(sketch: DataSketch, path: str) -> None:
    """Into a file that is there whole or not at all."""
    part = Path(f"{path}.part")
    part.write_bytes(dump(sketch))
    part.replace(path)


def read(path: str) -> DataSketch:
    """From a file. Raises Invalid for one that is no sketch."""
    file = Path(path)
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        raise Invalid(f"{path} is no sketch", remedy=REMEDY)
    return load(file.read_bytes())
