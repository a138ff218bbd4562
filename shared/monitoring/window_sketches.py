"""Rows of production counted at the edges of several baselines at once, each as a signal would count them."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow.compute as pc

from shared.monitoring.filters import micros
from shared.monitoring.rows import COLLECTED_TIME, Rows
from shared.monitoring.sketches.column import NUMERICAL, ColumnBuilder, ColumnPlan, ColumnSketch, forms_of
from shared.monitoring.sketches.dataset import DataSketch
from shared.resources.monitor_result import DataCounts


class WindowSketches:
    """The sketches of one window."""

    def __init__(self, baselines: Mapping[str, DataSketch]) -> None:
        """By any name of each. Every column of a baseline is counted, whichever a signal compares."""
        self.counts = DataCounts()
        self.span: tuple[int | None, int | None] = (None, None)  # of the rows, in microseconds since 1970
        self._builders = {
            name: [ColumnBuilder(_plan(column)) for column in one.columns.values()] for name, one in baselines.items()
        }

    def read(self, rows: Rows) -> None:
        """Count them all, in one reading."""
        builders = [builder for several in self._builders.values() for builder in several]
        names = dict.fromkeys([*(builder.plan.name for builder in builders), COLLECTED_TIME])
        for batch in rows.batches(list(names), self.counts):
            held = set(batch.schema.names)
            for builder in builders:
                if builder.plan.name in held:
                    builder.add(batch.column(builder.plan.name))
                else:
                    builder.missing(batch.num_rows)
            self._note(pc.min_max(micros(batch.column(COLLECTED_TIME))).as_py())

    def _note(self, found: Mapping[str, int]) -> None:
        first, last = self.span
        least, greatest = found["min"], found["max"]
        self.span = (least if first is None else min(first, least), greatest if last is None else max(last, greatest))

    def finish(self) -> dict[str, DataSketch]:
        """The sketches, by the names of their baselines."""
        return {
            name: DataSketch({one.plan.name: one.finish() for one in builders}, self.counts.rows)
            for name, builders in self._builders.items()
        }


def _plan(column: ColumnSketch) -> ColumnPlan:
    """What a signal with this baseline counts: at its edges, and as categories all that it has as such."""
    forms = forms_of(column.type)
    edges = column.numerical.compacted().edges if NUMERICAL in forms and column.numerical is not None else None
    return ColumnPlan(column.name, column.type, forms, edges, categories_needed=column.categorical is not None)
