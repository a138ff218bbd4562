"""Columns by their meaning: what `data_column_names` may say; pure.

Source: Azure ML's monitor YAML has these keys in its articles and examples under several names; all are taken.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import Invalid

_SHARED = {
    "correlation_id": "correlation_id",
    "join_column": "correlation_id",
    "timestamp": "timestamp",
    "timestamp_column": "timestamp",
}
TRUTH_KEYS = frozenset({"target", "target_column", "actual", "ground_truth"})
_TRUTH = dict.fromkeys(sorted(TRUTH_KEYS, reverse=True), "target")
# What a key means, of data that hold what was predicted, and of data that hold what was true.
PREDICTIONS = {
    **_SHARED,
    "prediction": "prediction",
    "prediction_column": "prediction",
    "prediction_probability": "probability",
    "probability": "probability",
}
TRUTHS = {**_SHARED, **_TRUTH}
BOTH = {**PREDICTIONS, **_TRUTH}


def meanings(said: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Column by meaning: prediction, probability, target, correlation_id, timestamp. Raises Invalid for a key that
    means nothing here, with those that do, and for two that mean the same."""
    found: dict[str, str] = {}
    for key, column in said.items():
        meaning = known.get(key.lower())
        if meaning is None:
            raise Invalid(f"data_column_names has no meaning {key!r} here", remedy=f"use {', '.join(known)}")
        if found.setdefault(meaning, column) != column:
            raise Invalid(f"data_column_names names two columns as {meaning}", remedy="name one")
    return found
