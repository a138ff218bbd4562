"""What is kept of one column, and how it is counted while a stream passes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from shared.monitoring.arrays import Floats, categories_of, numbers_of
from shared.monitoring.column_types import ColumnType
from shared.monitoring.sketches.building import NumericalBuilder
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.numerical import NumericalSketch

MAX_INTEGERS = 10_000  # different whole numbers that are counted apart; with more, a column is numerical
NUMERICAL, CATEGORICAL = "numerical", "categorical"


@dataclass(slots=True)
class ColumnSketch:
    """Counts of one column. Rows = values + nulls + errors."""

    name: str
    type: ColumnType
    rows: int = 0
    nulls: int = 0
    errors: int = 0  # values that are not of the type: no numbers in a column of numbers
    numerical: NumericalSketch | None = None  # None: not counted as numbers
    categorical: CategoricalSketch | None = None  # None: not counted as categories

    @property
    def values(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls - self.errors

    def merge(self, other: ColumnSketch) -> None:
        """Add what another one of the same column counted; what only one of them counts is dropped."""
        self.rows, self.nulls, self.errors = (
            self.rows + other.rows, self.nulls + other.nulls, self.errors + other.errors,
        )  # fmt: skip
        if self.numerical is not None and other.numerical is not None:
            self.numerical.merge(other.numerical)
        else:
            self.numerical = None
        if self.categorical is not None and other.categorical is not None:
            self.categorical.merge(other.categorical)
        else:
            self.categorical = None


@dataclass(slots=True)
class ColumnPlan:
    """How a column is counted."""

    name: str
    type: ColumnType
    forms: Collection[str]  # numerical, categorical, both, or neither: then nulls alone are counted
    edges: Floats | None = None  # of the baseline; None: laid from the column's own values
    keep: int = 0  # values that are kept themselves, at most
    categories_needed: bool = False  # of production: what the baseline has as categories stays so, however many


def forms_of(kind: ColumnType) -> tuple[str, ...]:
    """What a column of a type is counted as, where nobody says otherwise; whole numbers are counted as both."""
    if kind is ColumnType.INTEGER:
        return (NUMERICAL, CATEGORICAL)
    if kind is ColumnType.OTHER:
        return ()
    return (NUMERICAL,) if kind in (ColumnType.FLOAT, ColumnType.TIME) else (CATEGORICAL,)


class ColumnBuilder:
    """Counts a column batch by batch."""

    def __init__(self, plan: ColumnPlan) -> None:
        self.plan, self.sketch = plan, ColumnSketch(plan.name, plan.type)
        self.sketch.categorical = CategoricalSketch() if CATEGORICAL in plan.forms else None
        self._numbers = NumericalBuilder(plan.edges, plan.keep) if NUMERICAL in plan.forms else None

    def missing(self, rows: int) -> None:
        """Rows of a file that has no such column."""
        self.sketch.rows += rows
        self.sketch.nulls += rows

    def add(self, array: pa.Array) -> None:
        """Count more rows."""
        sketch = self.sketch
        sketch.rows += len(array)
        if self._numbers is not None:
            found = numbers_of(array)
            sketch.nulls += found.nulls
            sketch.errors += found.errors
            self._numbers.add(found.values)
            if sketch.categorical is not None:
                self._add_integers(sketch.categorical, found.values)
        elif sketch.categorical is not None:
            texts = categories_of(array)
            sketch.nulls += texts.nulls
            sketch.categorical.add(texts.counts)
        else:
            sketch.nulls += array.null_count

    def _add_integers(self, categorical: CategoricalSketch, ordered: Floats) -> None:
        if not len(ordered):
            return
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        many = len(first) > MAX_INTEGERS or len(categorical.counts) > MAX_INTEGERS
        if many and not self.plan.categories_needed:
            self.sketch.categorical = None
            return
        counts = np.diff(np.append(first, len(ordered)))
        categorical.add(
            {_name(value): int(count) for value, count in zip(ordered[first].tolist(), counts, strict=True)}
        )

    def again(self) -> ColumnPlan | None:
        """How it is to be counted a second time, with edges that divide it better; None where once was enough."""
        edges = self._numbers.better_edges() if self._numbers is not None else None
        return None if edges is None else replace(self.plan, edges=edges, keep=0)

    def finish(self) -> ColumnSketch:
        """The sketch of everything that was added."""
        if self._numbers is not None:
            self.sketch.numerical = self._numbers.finish()
        return self.sketch


def _name(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)
