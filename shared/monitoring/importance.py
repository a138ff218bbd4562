"""How much each feature matters for a target: the mean magnitude of its contribution in an additive model.

The model is a sum of a function of each feature, constant on its deciles or for each of its categories, fitted by least
squares (Hastie and Tibshirani, "Generalized Additive Models", 1986; the importance is that of InterpretML's explainable
boosting machines). Effects that only show in two features together are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shared.errors import Invalid
from shared.monitoring.arrays import Floats, categories_of, floats_of
from shared.monitoring.column_types import NUMERIC, ColumnType, type_of
from shared.monitoring.readers.typed_text import type_of_texts

ROWS = 20_000  # of a sample that is learnt from
BINS = 10
CATEGORIES = 20  # of a feature that have a place of their own, and of a target that are told apart
FEW = 20  # a target of whole numbers with no more different values is one of classes
RIDGE = 1e-6


def importances(table: pa.Table, features: Sequence[str], target: str) -> dict[str, float]:
    """By feature, 0 for one that tells nothing; in standard deviations of the target. Rows without a target are left
    out. Raises Invalid for a target that is the same everywhere, and for no features."""
    import pyarrow.compute as pc

    column = table.column(target).combine_chunks()
    valid = pc.is_valid(column)
    table, column = table.filter(valid), column.filter(valid)
    wanted = _targets(column)
    if not features:
        raise Invalid("there are no features beside the target", remedy="give data with features")
    if not len(wanted) or not bool(wanted.std(axis=0).any()):
        raise Invalid(f"the column {target!r} says the same everywhere", remedy="name the column of the target")
    blocks = [_indicators(table.column(name).combine_chunks()) for name in features]
    design = np.concatenate(blocks, axis=1)
    design -= design.mean(axis=0)
    gram = design.T @ design
    gram[np.diag_indices_from(gram)] += RIDGE * len(design)
    weights = np.linalg.lstsq(gram, design.T @ wanted, rcond=None)[0]
    found, at = {}, 0
    for name, block in zip(features, blocks, strict=True):
        part = slice(at, at + block.shape[1])
        found[name] = float(np.abs(design[:, part] @ weights[part]).mean(axis=0).sum())
        at += block.shape[1]
    return found


def _targets(column: pa.Array) -> Floats:
    """Standardised numbers as one column, classes as one each: the most frequent ones, in a stable order."""
    texts = type_of(column.type) is ColumnType.STRING
    kind = type_of_texts(column) if texts and len(column) else type_of(column.type)
    if kind in NUMERIC:
        values = floats_of(column)[0]
        held = np.where(np.isfinite(values), values, np.nan)
        distinct = np.unique(held[~np.isnan(held)])
        if kind is ColumnType.FLOAT or len(distinct) > FEW:
            filled = np.where(np.isnan(held), np.nanmean(held) if len(distinct) else 0.0, held)
            standard: Floats = ((filled - filled.mean()) / (float(filled.std()) or 1.0))[:, None]
            return standard
    names = column.cast(pa.string()).to_pylist()
    counts = categories_of(pa.array(names, pa.string())).counts
    classes = sorted(counts, key=lambda name: (-counts[name], name))[:CATEGORIES]
    given = np.array([str(name) for name in names])
    if not classes:
        return np.zeros((0, 1))
    found = np.stack([(given == one).astype(np.float64) for one in classes], axis=1)
    spread = found.std(axis=0)
    scaled: Floats = (found - found.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


def _indicators(column: pa.Array) -> Floats:
    """Which decile or category each row has, a column each; one more for rows without a value."""
    texts = type_of(column.type) is ColumnType.STRING
    kind = type_of_texts(column) if texts and len(column) else type_of(column.type)
    if kind in NUMERIC or kind is ColumnType.TIME:
        values = floats_of(column)[0] if kind in NUMERIC or not texts else np.full(len(column), np.nan)
        valued = values[np.isfinite(values)]
        if not len(valued):
            return np.zeros((len(values), 1))
        edges = np.unique(np.quantile(valued, np.arange(1, BINS) / BINS))
        place = np.where(np.isfinite(values), np.searchsorted(edges, values, "left"), len(edges) + 1)
        return np.eye(len(edges) + 2)[place.astype(np.int64)]
    if kind is ColumnType.OTHER:
        return np.zeros((len(column), 1))
    names = [None if one is None else str(one) for one in column.cast(pa.string()).to_pylist()]
    counts = categories_of(pa.array(names, pa.string())).counts
    kept = {name: place for place, name in enumerate(sorted(counts, key=lambda one: (-counts[one], one))[:CATEGORIES])}
    places = [len(kept) + 1 if one is None else kept.get(one, len(kept)) for one in names]
    return np.eye(len(kept) + 2)[places]
