"""What is kept of a data set, and how it is made from its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from shared.monitoring.rows import Rows
from shared.monitoring.sketches.column import ColumnBuilder, ColumnPlan, ColumnSketch
from shared.resources.monitor_result import DataCounts

KEPT_BYTES = 64 * 2**20  # of numbers that are kept themselves, of all columns together
MAX_KEPT = 2**20  # of one column
THREADS = 2  # that read and sort columns; more hold more of them in memory


@dataclass(slots=True)
class DataSketch:
    """One sketch a column."""

    columns: dict[str, ColumnSketch] = field(default_factory=dict)
    rows: int = 0
    counts: DataCounts = field(default_factory=DataCounts)  # of the reading; not stored

    def merge(self, other: DataSketch) -> None:
        """Add what another one counted; a column that only one of them has holds nulls for the rows of the other."""
        for name in [*self.columns, *(one for one in other.columns if one not in self.columns)]:
            mine, theirs = self.columns.get(name), other.columns.get(name)
            if mine is None and theirs is not None:
                theirs.rows, theirs.nulls = theirs.rows + self.rows, theirs.nulls + self.rows
                self.columns[name] = theirs
            elif mine is not None and theirs is None:
                mine.rows, mine.nulls = mine.rows + other.rows, mine.nulls + other.rows
            elif mine is not None and theirs is not None:
                mine.merge(theirs)
        self.rows += other.rows
        self.counts = _sum(self.counts, other.counts)


def _sum(first: DataCounts, second: DataCounts) -> DataCounts:
    names = DataCounts.model_fields
    return DataCounts(**{name: getattr(first, name) + getattr(second, name) for name in names})


def kept_values(columns: int) -> int:
    """How many values of each column are kept themselves: comparisons of such columns are exact."""
    return min(MAX_KEPT, KEPT_BYTES // (8 * max(1, columns)))


def sketch_rows(rows: Rows, plans: Sequence[ColumnPlan]) -> DataSketch:
    """Everything that is kept of these columns. Data are read once; columns that turn out to be distributed otherwise
    than their first values, a second time, to count at better edges."""
    counts = DataCounts()
    builders = [ColumnBuilder(plan) for plan in plans]
    _fill(rows, builders, counts)
    sketches = {one.plan.name: one.finish() for one in builders}
    if second := [ColumnBuilder(plan) for one in builders if (plan := one.again()) is not None]:
        _fill(rows, second, DataCounts())
        sketches |= {one.plan.name: one.finish() for one in second}
    return DataSketch(sketches, counts.rows, counts)


def _fill(rows: Rows, builders: Sequence[ColumnBuilder], counts: DataCounts) -> None:
    if not (rows.apart and builders):
        _fill_all(rows.batches([one.plan.name for one in builders], counts), builders)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        read = list(pool.map(lambda one: _fill_one(rows, one), builders))
    counts.files, counts.rows = read[0].files, read[0].rows


def _fill_one(rows: Rows, builder: ColumnBuilder) -> DataCounts:
    counts = DataCounts()
    _fill_all(rows.batches([builder.plan.name], counts), [builder])
    return counts


def _fill_all(batches: Iterable[pa.RecordBatch], builders: Sequence[ColumnBuilder]) -> None:
    for batch in batches:
        held = {name: place for place, name in enumerate(batch.schema.names)}
        for builder in builders:
            place = held.get(builder.plan.name)
            if place is None:
                builder.missing(batch.num_rows)
            else:
                builder.add(batch.column(place))
