"""What a data set holds, column by column, in the names of Azure ML's dataset profiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.monitoring.column_types import ColumnType
from shared.monitoring.sketches.categorical import CategoricalSketch
from shared.monitoring.sketches.column import ColumnSketch
from shared.monitoring.sketches.dataset import DataSketch
from shared.monitoring.sketches.numerical import NumericalSketch

QUANTILES = {
    "p0D1": 0.001, "p1": 0.01, "p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99,
    "p99D9": 0.999,
}  # fmt: skip
BINS = 10
SHOWN = 100  # categories whose counts are told


def profile_of(sketch: DataSketch) -> list[dict[str, Any]]:
    """A document for each column; quantiles are exact while the values are kept, else off by less than a bin."""
    return [_column(column) for column in sketch.columns.values()]


def _column(column: ColumnSketch) -> dict[str, Any]:
    missing = column.nulls
    found: dict[str, Any] = {
        "columnName": column.name,
        "type": column.type.value,
        "count": column.rows,
        "missingCount": missing,
        "notMissingCount": column.rows - missing,
        "percentMissing": missing / column.rows if column.rows else 0.0,
        "errorCount": column.errors,
        "typeCounts": _types(column),
    }
    if column.numerical is not None and column.numerical.count:
        found |= _numbers(column.numerical)
    if column.categorical is not None:
        if column.type is ColumnType.STRING:
            found |= _texts(column.categorical)
        counts = sorted(column.categorical.counts.items(), key=lambda one: (-one[1], one[0]))
        found["uniqueValues"] = len(counts)
        found["valueCounts"] = [{"value": name, "count": count} for name, count in counts[:SHOWN]]
    return found


def _types(column: ColumnSketch) -> list[dict[str, Any]]:
    counts = {column.type.value: column.values, "null": column.nulls, "error": column.errors}
    return [{"type": name, "count": count} for name, count in counts.items() if count]


def _texts(categories: CategoricalSketch) -> dict[str, Any]:
    """Of the texts that are counted apart."""
    counts, total = categories.counts, sum(categories.counts.values())
    lengths: dict[int, int] = {}
    for text, count in counts.items():
        lengths[len(text)] = lengths.get(len(text), 0) + count
    spaces = sum(text.count(" ") * count for text, count in counts.items())
    return {
        "emptyCount": counts.get("", 0),
        "averageSpacesCount": spaces / total if total else 0.0,
        "stringLengths": [{"value": length, "count": lengths[length]} for length in sorted(lengths)[:SHOWN]],
    }


def _numbers(numbers: NumericalSketch) -> dict[str, Any]:
    moments = numbers.moments
    values = numbers.quantiles(np.array(list(QUANTILES.values()))).tolist()
    quantiles = dict(zip(QUANTILES, values, strict=True))
    reach = 1.5 * (quantiles["p75"] - quantiles["p25"])  # Tukey, 1977
    return {
        "min": moments.minimum,
        "max": moments.maximum,
        "quantiles": quantiles,
        "whiskerBottom": max(moments.minimum, quantiles["p25"] - reach),
        "whiskerTop": min(moments.maximum, quantiles["p75"] + reach),
        "moments": {
            "mean": moments.mean,
            "standardDeviation": moments.sample_std,
            "variance": moments.sample_std**2,
            **_shape(numbers),
        },
        "histogram": _histogram(numbers),
    }


def _shape(numbers: NumericalSketch) -> dict[str, float | None]:
    """Skewness and excess kurtosis of the population (Fisher and Pearson): exact while the values are kept, else as if
    all values between two edges lay half-way. None where all values are the same."""
    if not numbers.moments.std:
        return {"skewness": None, "kurtosis": None}
    values, weights = numbers.points()
    mean = np.average(values, weights=weights)
    scaled = (values - mean) / np.sqrt(np.average((values - mean) ** 2, weights=weights))
    third, fourth = (float(np.average(scaled**power, weights=weights)) for power in (3, 4))
    return {"skewness": third, "kurtosis": fourth - 3.0}


def _histogram(numbers: NumericalSketch) -> list[dict[str, Any]]:
    low, high = numbers.moments.minimum, numbers.moments.maximum
    if low == high:
        return [{"lowerBound": low, "upperBound": high, "count": numbers.count}]
    edges = np.linspace(low, high, BINS + 1)
    upto = np.concatenate([[0.0], numbers.cumulative(edges[1:-1])[0], [float(numbers.count)]])
    return [
        {"lowerBound": float(edges[at]), "upperBound": float(edges[at + 1]), "count": round(upto[at + 1] - upto[at])}
        for at in range(BINS)
    ]
