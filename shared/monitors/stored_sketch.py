"""Whether the stored sketch of a data asset stands for its rows in a signal; pure."""

from __future__ import annotations

from collections.abc import Mapping

from shared.resources.monitor_request import SignalRequest

COMPARED = frozenset({"data_drift", "prediction_drift", "data_quality"})  # signals that compare distributions
# What a stored sketch counts a column as, for certain: whole numbers with many different values are numbers only.
_COUNTED = {
    "float": "numerical",
    "integer": "numerical",
    "time": "numerical",
    "boolean": "categorical",
    "string": "categorical",
}


def reads_rows(signal: SignalRequest, columns: Mapping[str, str]) -> bool:
    """Whether the rows of the reference, whose columns are of these types, have to be read: a part of them is compared,
    whole rows are, or columns as something else than they were counted."""
    reference = signal.reference
    if reference is None or signal.type not in COMPARED or signal.overall:
        return True
    if reference.segment_column or reference.window_start or reference.window_end:
        return True
    if signal.type == "data_quality":
        return False
    return any(_COUNTED.get(columns.get(name, "")) != kind for name, kind in signal.types.items() if name in columns)
