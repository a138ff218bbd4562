"""Texts whose types nobody declared: a column is what its first rows are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from shared.monitoring.arrays import NUMBER, without_null_texts
from shared.monitoring.column_types import ColumnType

MOSTLY = 0.9  # share of numbers from which on a column is one of numbers with errors
INTEGER = r"^\s*[+-]?\d{1,18}\s*$"
TIME = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$"


def type_of_texts(texts: pa.Array) -> ColumnType:
    """Integer, float, boolean, time or string, by what most of the values are; a column of nulls is one of strings."""
    valued = without_null_texts(texts).drop_null()
    if not len(valued):
        return ColumnType.STRING
    if _share(valued, r"^(true|false|True|False|TRUE|FALSE)$") == 1.0:
        return ColumnType.BOOLEAN
    if _share(valued, NUMBER) >= MOSTLY:
        numbers = valued.filter(pc.match_substring_regex(valued, NUMBER))
        return ColumnType.INTEGER if _share(numbers, INTEGER) == 1.0 else ColumnType.FLOAT
    return ColumnType.TIME if _share(valued, TIME) == 1.0 else ColumnType.STRING


def typed(texts: pa.Array, kind: ColumnType) -> pa.Array:
    """The texts as categories where the column holds such; numbers stay texts and are read where they are counted."""
    found = without_null_texts(texts)
    if kind is ColumnType.BOOLEAN:
        return pc.utf8_lower(found)
    return found


def _share(texts: pa.Array, pattern: str) -> float:
    return float(pc.mean(pc.match_substring_regex(texts, pattern)).as_py() or 0.0)
