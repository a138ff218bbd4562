"""Metrics by name, as a person asks for them: a mapping of thresholds for each type of features, and for whole rows."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Invalid
from shared.monitoring.metrics.table import metric_of

Thresholds = dict[str, dict[str, float | None]]


def thresholds_of(texts: Sequence[str]) -> Thresholds:
    """{"numerical": ..., "categorical": ..., "overall": ...} of NAME or NAME=THRESHOLD; without a threshold the usual
    one. Raises Invalid for an unknown metric and for a threshold that is no number."""
    found: Thresholds = {"numerical": {}, "categorical": {}, "overall": {}}
    for text in texts:
        name, equals, given = text.partition("=")
        metric = metric_of(name.strip(), "drift", "multivariate")
        limit = _number(text, given) if equals else metric.usual
        if metric.kind == "multivariate":
            found["overall"][metric.name] = limit
        if metric.numerical is not None:
            found["numerical"][metric.name] = limit
        if metric.categorical is not None:
            found["categorical"][metric.name] = limit
    return found


def _number(text: str, given: str) -> float:
    try:
        return float(given)
    except ValueError as error:
        raise Invalid(f"{text!r} has no threshold", remedy="write NAME or NAME=0.1") from error
