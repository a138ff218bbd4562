"""When sketches of hours do not do."""

from __future__ import annotations

from collections.abc import Collection

from shared.errors import Permanent
from shared.resources.monitor_request import SignalRequest


class RowsNeeded(Permanent):
    """The rows of these windows are needed: ENDPOINT/DEPLOYMENT/COLLECTION/FOLDER."""

    def __init__(self, windows: Collection[str]) -> None:
        super().__init__(f"the rows of {', '.join(sorted(windows))} are needed", remedy="give their files")
        self.windows = sorted(windows)


def check_hours(signal: SignalRequest, *, complete_only: bool) -> None:
    """Raises RowsNeeded where the signal cannot be calculated of distributions at the edges of a stored baseline."""
    hours, reference = signal.production.hours, signal.reference
    needs_rows = complete_only or signal.overall or signal.production.segment_column
    if hours and (needs_rows or reference is None or reference.files):
        raise RowsNeeded([hour.window for hour in hours])
