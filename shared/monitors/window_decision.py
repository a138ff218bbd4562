"""What becomes of a window of collected data: pure decisions on its status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.resources.build import StoredText
from shared.resources.collection_window import (
    CollectionWindowStatus,
    StoredWindow,
    WindowOutcome,
    WindowPhase,
)

_P = WindowPhase
FIRST_LOOK_S, LAST_LOOK_S, LOOK_SHARE = 1.0, 60.0, 0.25


def arrived(
    status: CollectionWindowStatus | None, at: datetime, now: datetime, settle: timedelta
) -> CollectionWindowStatus | None:
    """The status after it was heard that a file of the window was written at this time; None when that changes
    nothing. What is heard twice, late or out of order is older than the listing of the files that were sketched."""
    if status is None:
        return CollectionWindowStatus(arrived_at=now)
    if status.phase is _P.PENDING or status.more_arrived:
        return None
    if status.phase is _P.SKETCHING:
        if status.started_at is not None and at < status.started_at - settle:
            return None
        return status.model_copy(update={"more_arrived": True})
    if status.listed_at is not None and at < status.listed_at - settle:
        return None
    return status.model_copy(update={"phase": _P.PENDING, "arrived_at": now})


def waits_s(status: CollectionWindowStatus, end: datetime, now: datetime, settle: timedelta) -> float:
    """How long until it may be read: its time is over, and what arrived later has settled, too. 0: now."""
    due = max(end, min(status.arrived_at or end, now)) + settle
    return max(0.0, (due - now).total_seconds())


def next_look_s(status: CollectionWindowStatus, now: datetime) -> float:
    """How long until a window that is read is looked at again: ever longer, since nobody waits for it, and there may be
    many at the end of an hour."""
    elapsed_s = (now - (status.started_at or now)).total_seconds()
    return min(LAST_LOOK_S, max(FIRST_LOOK_S, elapsed_s * LOOK_SHARE))


def begun(status: CollectionWindowStatus, baselines: Sequence[StoredText], now: datetime) -> CollectionWindowStatus:
    """The status when it is its turn, and monitors compare it with these sketches."""
    if not baselines:
        return ended(status.model_copy(update={"baselines": [], "listed_at": now}), _P.UNUSED, now)
    started = {
        "phase": _P.SKETCHING, "baselines": list(baselines), "attempt": status.attempt + 1, "more_arrived": False,
        "started_at": now, "finished_at": None, "error": "",
    }  # fmt: skip
    return status.model_copy(update=started)


def read(status: CollectionWindowStatus, outcome: WindowOutcome, now: datetime) -> CollectionWindowStatus:
    """The status after its rows were read. What arrived meanwhile, or changed while it was read, is waited for; what
    was sketched stays until there is better."""
    kept: StoredWindow | None = outcome.stored or status.stored
    counts = outcome.counts if outcome.stored else status.counts
    found = status.model_copy(update={"stored": kept, "counts": counts, "listed_at": outcome.listed_at})
    if outcome.stored is None or status.more_arrived:
        return ended(found.model_copy(update={"arrived_at": now, "more_arrived": False}), _P.PENDING, now)
    return ended(found, _P.SKETCHED, now)


def ended(status: CollectionWindowStatus, phase: WindowPhase, now: datetime, error: str = "") -> CollectionWindowStatus:
    """The status when it is not worked on any more."""
    update = {"phase": phase, "finished_at": now, "error": error}
    return status.model_copy(update=update)
