"""What a misspelt key was meant to be."""

from __future__ import annotations

from collections.abc import Sequence

# Keys of articles and old versions, by what azure-ai-ml's own schema reads in their place.
RENAMED = {
    "timezone": "time_zone",
    "pattern": "schedule",
    "chi_squared_test": "pearsons_chi_squared_test",
    "tabular_classification": "classification",
    "tabular_regression": "regression",
    "data_window_size": "data_window.lookback_window_size",
    "lookback_period_days": "data_window.lookback_window_size",
    "window_start_date": "window_start",
    "window_end_date": "window_end",
    "target_column_name": "data_column_names.target_column",
    "workspace_connection_id": "connection_id",
}
MAX_LENGTH = 60  # of a name that is compared: the comparison's cost grows with the square


def hint(name: str, known: Sequence[str]) -> str:
    """`: meant is 'x'?`, or "" when nothing is near."""
    if name in RENAMED:
        return f": Azure ML reads {RENAMED[name]!r}"
    if len(name) > MAX_LENGTH:
        return ""
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1, cutoff=0.75)
    return f": is {near[0]!r} meant?" if near else ""
