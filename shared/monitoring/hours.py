"""Collected data that were read before: hours whose sketches stand for their rows.

A sketch may stand for an hour when none of its lines was counted elsewhere: lines with an id that another hour, or the
rows that are read, have too are left out where they come second, which only the rows can tell. Ids are compared by
64 bits of a hash: two that are equal by chance only make an hour be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from shared.monitoring.column_types import ColumnType
from shared.monitoring.rows import Rows, common_type
from shared.monitoring.rows_needed import RowsNeeded
from shared.monitoring.sketches import storage
from shared.monitoring.sketches.dataset import DataSketch
from shared.resources.monitor_request import DataSet, SketchedHour

Hashes = npt.NDArray[np.uint64]
BYTES = 8


def hashes_of(ids: Iterable[str]) -> Hashes:
    """Of each id, sorted, each once."""
    digests = b"".join(hashlib.blake2b(one.encode(errors="replace"), digest_size=BYTES).digest() for one in ids)
    return np.unique(np.frombuffer(digests, dtype="<u8"))


def schema_of(data: DataSet, rows: Rows) -> dict[str, ColumnType]:
    """The columns of the rows that are read and of the hours, with the types that reading all of them would find."""
    found = dict(rows.schema)
    for hour in data.hours:
        for name, kind in hour.columns.items():
            found[name] = common_type(found.get(name, ColumnType(kind)), ColumnType(kind))
    return found


def add_hours(current: DataSketch, hours: Sequence[SketchedHour], ids: Iterable[str], names: Collection[str]) -> None:
    """Add what these hours hold of the columns to what was read, whose lines have these ids. Raises RowsNeeded, and
    Invalid for a sketch that is damaged."""
    if not hours:
        return
    known = [np.fromfile(hour.ids, dtype="<u8") for hour in hours]
    if shared := sharing(known, hashes_of(ids)):
        raise RowsNeeded([hours[place].window for place in shared])
    for hour in hours:
        current.merge(_sketch_of(hour, names))
    if any(one.categorical is not None and one.categorical.untracked for one in current.columns.values()):
        raise RowsNeeded([hour.window for hour in hours])  # which categories are kept depends on the order of rows


def _sketch_of(hour: SketchedHour, names: Collection[str]) -> DataSketch:
    rows = hour.counts.rows
    if hour.is_outside:
        return DataSketch(counts=hour.counts.model_copy(update={"rows": 0, "outside_rows": rows}))
    stored = storage.read(hour.sketch)
    columns = {name: one for name, one in stored.columns.items() if name in names}
    return DataSketch(columns, stored.rows, hour.counts.model_copy(update={"sketched_rows": rows}))


def sharing(hours: Sequence[Hashes], rows: Hashes) -> list[int]:
    """The places of the hours with an id that another hour or the rows have; each array has an id once."""
    ordered = np.sort(np.concatenate([*hours, rows]))
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return []
    return [place for place, ids in enumerate(hours) if bool(np.isin(twice, ids).any())]
