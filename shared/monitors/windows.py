"""Which times a run looks at: look-back windows as Azure ML's, in ISO 8601; pure.

Where nothing is said the sizes are Azure ML's (azure-ai-ml 1.35): a day for triggers by the minute and hour, n days,
weeks or months for those, seven days for cron; the reference is twice as long and ends where production begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from shared.errors import Fault, Invalid
from shared.resources.monitor_data import DataWindow
from shared.resources.schedule import RecurrenceTrigger, Trigger

_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_DAYS = {"minute": 1, "hour": 1, "day": 1, "week": 7, "month": 30}
_CRON_DAYS = 7
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time: from its start up to, and without, its end."""

    start: datetime
    end: datetime


def duration(text: str, pointer: str = "") -> timedelta:
    """An ISO 8601 duration; months have 30 days and years 365. Raises Invalid for anything else, and for one that is
    negative."""
    try:
        found = _DURATION.validate_python(text) if text.startswith("P") else None
    except ValidationError:
        found = None
    if found is None or found < timedelta(0):
        fault = Fault(f"{text!r} is no duration", pointer, allowed="ISO 8601, e.g. P7D or PT6H")
        raise Invalid("the data window is wrong", faults=(fault,))
    return found


def default_size(trigger: Trigger) -> timedelta:
    """How long the production window is where nothing is said."""
    if not isinstance(trigger, RecurrenceTrigger):
        return timedelta(days=_CRON_DAYS)
    many = 1 if trigger.frequency in ("minute", "hour") else trigger.interval
    return timedelta(days=_DAYS[trigger.frequency] * many)


def production_window(said: DataWindow | None, trigger: Trigger, at: datetime) -> Window:
    """The window of a run that is due at `at`. Raises Invalid."""
    return _window(said, at, default_size(trigger), timedelta(0))


def reference_window(said: DataWindow | None, trigger: Trigger, production: Window, at: datetime) -> Window:
    """The window of a reference that is collected, too: before production's, twice as long, unless it says otherwise.
    An offset that is left out is never 0: the two would overlap. Raises Invalid."""
    return _window(said, at, 2 * default_size(trigger), at - production.start)


def _window(said: DataWindow | None, at: datetime, size: timedelta, offset: timedelta) -> Window:
    if said is None:
        return Window(at - offset - size, at - offset)
    if said.window_start or said.window_end:
        return _fixed(said)
    if said.lookback_window_size and said.lookback_window_size != DEFAULT:
        size = duration(said.lookback_window_size, "/lookback_window_size")
    if said.lookback_window_offset and said.lookback_window_offset != DEFAULT:
        offset = duration(said.lookback_window_offset, "/lookback_window_offset")
    if not size:
        raise Invalid("a data window of no length holds no data", remedy="give lookback_window_size, e.g. P7D")
    return Window(at - offset - size, at - offset)


def _fixed(said: DataWindow) -> Window:
    if not (said.window_start and said.window_end):
        raise Invalid("a data window with a fixed time needs both", remedy="give window_start and window_end")
    start, end = (moment(text) for text in (said.window_start, said.window_end))
    if start >= end:
        raise Invalid(f"the data window ends at {end} and begins at {start}", remedy="let it begin before it ends")
    return Window(start, end)


def moment(text: str) -> datetime:
    """A time in UTC; without a zone it is UTC. Raises Invalid."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is not a time", remedy="use ISO 8601, e.g. 2026-11-20T00:00:00Z") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
