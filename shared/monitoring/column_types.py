"""What columns hold, as far as statistics are concerned."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa


class ColumnType(StrEnum):
    """Azure ML's groups of types: those within a group can be compared."""

    FLOAT = "float"  # float, double, decimal
    INTEGER = "integer"
    BOOLEAN = "boolean"
    STRING = "string"
    TIME = "time"  # timestamps, dates, times
    OTHER = "other"  # lists, structures, bytes: only their nulls are counted


NUMERIC = frozenset({ColumnType.FLOAT, ColumnType.INTEGER})
CATEGORICAL = frozenset({ColumnType.STRING, ColumnType.BOOLEAN})


def type_of(arrow: pa.DataType) -> ColumnType:
    """The group of an Arrow type; of a dictionary, that of its values."""
    types = pa.types
    if types.is_dictionary(arrow):
        return type_of(arrow.value_type)
    tests = (
        (types.is_integer, ColumnType.INTEGER),
        (types.is_floating, ColumnType.FLOAT),
        (types.is_decimal, ColumnType.FLOAT),
        (types.is_boolean, ColumnType.BOOLEAN),
        (_is_text, ColumnType.STRING),
        (types.is_temporal, ColumnType.TIME),
        (types.is_null, ColumnType.STRING),  # a column of nulls: nothing contradicts text
    )
    return next((found for test, found in tests if test(arrow)), ColumnType.OTHER)


def _is_text(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow))
