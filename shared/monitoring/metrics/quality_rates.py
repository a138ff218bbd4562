"""Rates of values that are not as they were: what each rate is of."""

from __future__ import annotations

from shared.monitoring.sketches.column import ColumnSketch


def of_rows(part: int, column: ColumnSketch) -> float:
    """The share of the rows; 0 of none."""
    return part / column.rows if column.rows else 0.0


def of_values(part: float, column: ColumnSketch) -> float:
    """The share of the values; 0 of none."""
    return part / column.values if column.values else 0.0


def new_values(baseline: ColumnSketch, current: ColumnSketch) -> int:
    """Values in categories that the baseline does not have; 0 where categories are not counted."""
    if baseline.categorical is None or current.categorical is None or baseline.categorical.untracked:
        return 0
    known = baseline.categorical.counts
    return sum(count for name, count in current.categorical.counts.items() if name not in known)
