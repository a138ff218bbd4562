"""The same rows of every column: a sample for metrics that look at whole rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.monitoring.arrays import Floats, floats_of
from shared.monitoring.rows import Rows


def sampled(rows: Rows, columns: list[str], size: int, seed: int) -> Floats:
    """At most `size` rows, each as likely as any other, NaN for nulls: those with the least of random numbers that
    every row gets by its place (bottom-k sampling)."""
    ranks = np.zeros(0)
    kept = np.zeros((0, len(columns)))
    rng = np.random.default_rng(seed)
    for batch in rows.batches(columns):
        drawn = rng.random(batch.num_rows)
        limit = ranks.max() if len(ranks) == size else 1.0
        chosen = np.flatnonzero(drawn < limit)
        ranks, kept = np.append(ranks, drawn[chosen]), np.concatenate([kept, _taken(batch, columns, chosen)])
        if len(ranks) > size:
            least = np.argpartition(ranks, size)[:size]
            ranks, kept = ranks[least], kept[least]
    return kept


def _taken(batch: pa.RecordBatch, columns: list[str], chosen: npt.NDArray[np.int64]) -> Floats:
    held = batch.schema.names
    found = np.full((len(chosen), len(columns)), np.nan)
    for place, name in enumerate(columns):
        if name in held:
            found[:, place] = floats_of(batch.column(held.index(name)).take(pa.array(chosen)))[0]
    return found
