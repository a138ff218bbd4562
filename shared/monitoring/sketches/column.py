"""What is kept of one column, and how it is counted while a stream passes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from shared.monitoring.arrays import Counts, Floats, categories_of, numbers_of
from shared.monitoring.column_types import ColumnType
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.moments import Moments, moments_of
from shared.monitoring.sketches.numerical import NumericalSketch, edges_of
from shared.monitoring.sketches.summary import QuantileSummary

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


def forms_of(kind: ColumnType) -> tuple[str, ...]:
    """What a column of a type is counted as, where nobody says otherwise; whole numbers are counted as both."""
    if kind is ColumnType.INTEGER:
        return (NUMERICAL, CATEGORICAL)
    if kind is ColumnType.OTHER:
        return ()
    return (NUMERICAL,) if kind in (ColumnType.FLOAT, ColumnType.TIME) else (CATEGORICAL,)


@dataclass(slots=True)
class ColumnBuilder:
    """Counts a column batch by batch."""

    plan: ColumnPlan
    sketch: ColumnSketch = field(init=False)
    overflowed: bool = False  # edges were laid by a summary: a second pass counts at them exactly
    _moments: Moments = field(default_factory=Moments)
    _kept: list[Floats] | None = None
    _kept_count: int = 0
    _summary: QuantileSummary | None = None
    _less: Counts | None = None
    _at_most: Counts | None = None
    _below: float = 0.0
    _above: float = 0.0

    def __post_init__(self) -> None:
        plan, edges = self.plan, self.plan.edges
        self.sketch = ColumnSketch(plan.name, plan.type)
        self.sketch.categorical = CategoricalSketch() if CATEGORICAL in plan.forms else None
        self._kept = [] if plan.keep or edges is None else None
        if edges is not None:
            self._less, self._at_most = np.zeros(len(edges), np.int64), np.zeros(len(edges), np.int64)

    def missing(self, rows: int) -> None:
        """Rows of a file that has no such column."""
        self.sketch.rows += rows
        self.sketch.nulls += rows

    def add(self, array: pa.Array) -> None:
        """Count more rows."""
        sketch = self.sketch
        sketch.rows += len(array)
        if NUMERICAL in self.plan.forms:
            self._add_numbers(array)
        elif sketch.categorical is not None:
            found = categories_of(array)
            sketch.nulls += found.nulls
            sketch.categorical.add(found.counts)
        else:
            sketch.nulls += array.null_count

    def _add_numbers(self, array: pa.Array) -> None:
        found = numbers_of(array)
        self.sketch.nulls += found.nulls
        self.sketch.errors += found.errors
        values = found.values
        self._moments.merge(moments_of(values))
        if self.sketch.categorical is not None:
            self._add_integers(values)
        self._add_at_edges(values)
        if self._summary is not None:
            self._summary.add(values)
        elif self._kept is not None:
            self._keep(values)

    def _add_at_edges(self, values: Floats) -> None:
        edges = self.plan.edges
        if edges is None or self._less is None or self._at_most is None or not len(edges):
            return
        less, at_most = np.searchsorted(values, edges, "left"), np.searchsorted(values, edges, "right")
        self._less += less
        self._at_most += at_most
        self._below += float((edges[0] - values[: less[0]]).sum())
        self._above += float((values[at_most[-1] :] - edges[-1]).sum())

    def _keep(self, values: Floats) -> None:
        assert self._kept is not None
        self._kept.append(values)
        self._kept_count += len(values)
        if self._kept_count <= self.plan.keep:
            return
        if self.plan.edges is None:
            self.overflowed, self._summary = True, QuantileSummary()
            for part in self._kept:
                self._summary.add(part)
        self._kept = None

    def _add_integers(self, ordered: Floats) -> None:
        if not len(ordered):
            return
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        categorical = self.sketch.categorical
        if len(first) > MAX_INTEGERS or (categorical is not None and len(categorical.counts) > MAX_INTEGERS):
            self.sketch.categorical = None
            return
        assert categorical is not None
        counts = np.diff(np.append(first, len(ordered)))
        categorical.add(
            {_name(value): int(count) for value, count in zip(ordered[first].tolist(), counts, strict=True)}
        )

    def finish(self) -> ColumnSketch:
        """The sketch of everything that was added."""
        if NUMERICAL in self.plan.forms:
            self.sketch.numerical = self._numerical()
        return self.sketch

    def _numerical(self) -> NumericalSketch:
        values = None
        if self._kept is not None:
            values = self._kept[0] if len(self._kept) == 1 else np.sort(np.concatenate([*self._kept, np.zeros(0)]))
        if self.plan.edges is not None and self._less is not None and self._at_most is not None:
            beyond = (self._below, self._above)
            return NumericalSketch(self._moments, self.plan.edges, self._less, self._at_most, *beyond, values)
        if values is not None:
            return NumericalSketch(self._moments, values=values)
        assert self._summary is not None
        return NumericalSketch(self._moments, self._edges(self._summary), values=None)

    def _edges(self, summary: QuantileSummary) -> Floats:
        return np.union1d(edges_of(summary.ordered()), [self._moments.minimum, self._moments.maximum])


def _name(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)
