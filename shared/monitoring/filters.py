"""Which rows of a batch count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import Invalid
from shared.monitoring.column_types import ColumnType, type_of


def within(times: pa.Array, start: datetime | None, end: datetime | None) -> pa.Array:
    """Whether each time is at or after `start` and before `end`; times without a zone are UTC; a null is not. Raises
    Invalid for a column that holds no times."""
    seen = micros(times)
    kept = pc.is_valid(seen)
    for bound, compare in ((start, pc.greater_equal), (end, pc.less)):
        if bound is not None:
            aware = bound if bound.tzinfo is not None else bound.replace(tzinfo=UTC)
            value = pa.scalar(aware, pa.timestamp("us", "UTC")).cast(pa.int64())
            kept = pc.and_(kept, pc.fill_null(compare(seen, value), False))
    return kept


def micros(times: pa.Array) -> pa.Array:
    """Microseconds since 1970 (UTC), null for nulls. Raises Invalid for a column that holds no times."""
    kind = type_of(times.type)
    try:
        if kind is ColumnType.STRING:
            return pa.array([_parsed(text) for text in times.to_pylist()], pa.int64())
        if kind is ColumnType.TIME:
            return times.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    except (ValueError, pa.ArrowInvalid) as error:
        raise Invalid(f"the column of times holds what is no time: {error}", remedy="write ISO 8601") from error
    raise Invalid(f"the column of times holds {times.type}", remedy="name a column of timestamps or of ISO 8601 texts")


def _parsed(text: str | None) -> int | None:
    if text is None:
        return None
    found = datetime.fromisoformat(text)
    return round((found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp() * 1e6)


def among(values: pa.Array, allowed: Sequence[str]) -> pa.Array:
    """Whether each value, as text, is one of these."""
    texts = values.cast(pa.string())
    return pc.is_in(texts, value_set=pa.array(list(allowed), pa.string()))


def complete(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    """The rows that have a value in each of these columns; NaN is none."""
    kept = None
    for name in columns:
        if name in batch.schema.names:
            column = batch.column(name)
            valid = pc.invert(pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)))
            kept = valid if kept is None else pc.and_(kept, valid)
    return batch if kept is None else batch.filter(kept)
