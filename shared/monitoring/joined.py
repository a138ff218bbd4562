"""Rows of two data sets joined by correlation id, as many as are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shared.errors import Invalid
from shared.monitoring.rows import Rows
from shared.resources.monitor_request import DataSet
from shared.resources.monitor_result import DataCounts

CORRELATION = "correlationid"


def row_sample(data: DataSet, columns: Sequence[str], size: int, seed: int, counts: DataCounts) -> pa.Table:
    """At most `size` rows, each as likely as any other (bottom-k sampling), as texts and numbers. Raises Invalid for a
    column that is not there."""
    rows = Rows(data)
    held = {*rows.schema, *([CORRELATION] if any(one.format.startswith("collected") for one in data.files) else [])}
    if missing := [name for name in columns if name not in held]:
        raise Invalid(
            f"{data.label or 'the data'}: there is no column {missing[0]!r}",
            remedy=f"name one of {', '.join(sorted(held)[:20])}",
        )
    rng, ranks, kept = np.random.default_rng(seed), np.zeros(0), None
    for batch in rows.batches(columns, counts):
        drawn = rng.random(batch.num_rows)
        limit = float(ranks.max()) if len(ranks) == size else 1.0
        chosen = np.flatnonzero(drawn < limit)
        part = pa.table({name: _plain(batch, name) for name in columns}).take(pa.array(chosen))
        kept = part if kept is None else _together(kept, part)
        ranks = np.append(ranks, drawn[chosen])
        if len(ranks) > size:
            least = np.argpartition(ranks, size)[:size]
            ranks, kept = ranks[least], kept.take(pa.array(least)).combine_chunks()
    return kept if kept is not None else pa.table({name: pa.nulls(0) for name in columns})


def with_column(table: pa.Table, key: str, other: DataSet, other_key: str, column: str) -> pa.Table:
    """The rows whose id is one of the other set's, with a column of that. Raises Invalid where no id is common."""
    import pyarrow.compute as pc

    ids = table.column(key).cast(pa.string()).combine_chunks()
    found: list[pa.Table] = []
    rows = Rows(other)
    for batch in rows.batches([other_key, column]):
        if {other_key, column} - set(batch.schema.names):
            continue
        part = pa.table({"id": _plain(batch, other_key).cast(pa.string()), "value": _plain(batch, column)})
        found.append(part.filter(pc.is_in(part.column("id"), value_set=ids)))
    both = found[0] if found else pa.table({"id": pa.array([], pa.string()), "value": pa.nulls(0)})
    for part in found[1:]:
        both = _together(both, part)
    place = pc.index_in(ids, value_set=both.column("id").combine_chunks())
    known = pc.is_valid(place)
    if table.num_rows and not pc.any(known).as_py():
        raise Invalid(
            f"no row of {other.label or 'the predictions'} has the {key!r} of one of the inputs",
            remedy="collect model_inputs and model_outputs of the same requests",
        )
    values = both.column("value").take(pc.drop_null(place))
    return table.filter(known).append_column(_free(column, table), values)


def _free(column: str, table: pa.Table) -> str:
    """A name that the table does not have."""
    while column in table.schema.names:
        column += "_"
    return column


def _plain(batch: pa.RecordBatch, name: str) -> pa.Array:
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows)
    array = batch.column(name)
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _together(first: pa.Table, second: pa.Table) -> pa.Table:
    """Both; columns of different types become texts, of different numbers numbers."""
    if first.schema.equals(second.schema):
        return pa.concat_tables([first, second])
    try:
        return pa.concat_tables([first, second], promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        texts = pa.schema([pa.field(name, pa.string()) for name in first.schema.names])
        return pa.concat_tables([first.cast(texts), second.cast(texts)])
