"""Sketches of numbers and texts, as tests need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shared.monitoring.arrays import Floats
from shared.monitoring.column_types import ColumnType
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.column import ColumnBuilder, ColumnPlan, ColumnSketch
from shared.monitoring.sketches.numerical import NumericalSketch


def column(values: object, kind: ColumnType, *, keep: int = 1_000_000, edges: Floats | None = None) -> ColumnSketch:
    """The sketch of one column, counted as its type allows."""
    forms = ("categorical",) if kind in (ColumnType.STRING, ColumnType.BOOLEAN) else ("numerical",)
    builder = ColumnBuilder(ColumnPlan("x", kind, forms, edges, keep))
    builder.add(pa.array(values))
    return builder.finish()


def numbers(values: object, *, keep: int = 1_000_000, edges: Floats | None = None) -> NumericalSketch:
    """The sketch of numbers."""
    found = column(np.asarray(values, dtype=np.float64), ColumnType.FLOAT, keep=keep, edges=edges).numerical
    assert found is not None
    return found


def categories(counts: Sequence[int]) -> CategoricalSketch:
    """A sketch with the categories 0, 1..., each so often."""
    return CategoricalSketch({str(place): count for place, count in enumerate(counts) if count})
