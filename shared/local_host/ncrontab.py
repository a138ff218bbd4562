"""Schedules of timer triggers: NCRONTAB with six fields (or five, without seconds), in UTC (Azure Functions, "Timer
trigger", NCRONTAB expressions)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from shared.errors import Invalid
from shared.local_host.host_settings import parse_span_s

# NCrontab has none of cron's L, W and #, and Sunday is only 0.
_FIELD = re.compile(r"(?:\*|\w+(?:-\w+)?)(?:/\d+)?(?:,(?:\*|\w+(?:-\w+)?)(?:/\d+)?)*\Z")
_EXTENSION = re.compile(r"(?i:L|LW|\d+L)\Z")
_DAY_OF_WEEK_7 = re.compile(r"(?:^|[,-])7(?:$|[,/-])")


class Schedule:
    """When a timer is due."""

    def __init__(self, expression: str) -> None:
        """Raises Invalid for an expression the host would refuse, or that never comes."""
        self.expression = expression
        self._interval_s = parse_span_s(expression)
        if self._interval_s is None:
            _check(expression)
        elif self._interval_s <= 0:
            raise Invalid(f"the schedule {expression!r} must be longer than 0")
        self.next_after(datetime(2000, 1, 1, tzinfo=UTC))

    def next_after(self, time: datetime) -> datetime:
        """The first time the timer is due after `time`, in UTC."""
        if self._interval_s is not None:
            return time + timedelta(seconds=self._interval_s)
        schedule = CronSim(self.expression, time.astimezone(UTC))
        schedule.day_and = True  # NCrontab: both day fields must match; in cron one of them is enough
        try:
            return next(schedule)
        except StopIteration:
            raise Invalid(f"the schedule {self.expression!r} never comes") from None


def _check(expression: str) -> None:
    fields = expression.split()
    wrong = [field for field in fields if not _FIELD.match(field)]
    wrong += [term for field in fields for term in re.split("[,/-]", field) if _EXTENSION.match(term)]
    if len(fields) not in (5, 6) or wrong or _DAY_OF_WEEK_7.search(fields[-1]):
        raise Invalid(
            f"the schedule {expression!r} is not NCRONTAB: six fields "
            "{second} {minute} {hour} {day} {month} {day-of-week} are allowed, Sunday is 0"
        )
    try:
        CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise Invalid(f"the schedule {expression!r} is not NCRONTAB: {error}") from error
