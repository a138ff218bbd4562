"""When a trigger is due: cron expressions and recurrences of Azure ML, in their time zone; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from shared.errors import Invalid
from shared.monitors.time_zones import zone_of
from shared.resources.schedule import CronTrigger, RecurrencePattern, RecurrenceTrigger, Trigger

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_EPOCH = datetime(2024, 1, 1)  # a Monday: what has no start begins then, so that its times do not move with restarts
_HORIZON_DAYS = 366 * 5
_LOOK_BACK = (timedelta(minutes=10), timedelta(days=1), timedelta(days=40), timedelta(days=_HORIZON_DAYS))


def next_due(trigger: Trigger, after: datetime) -> datetime | None:
    """The first time after `after` in UTC; None when the trigger has ended. Raises Invalid for a trigger that never
    comes, and for a zone that is not known."""
    zone = zone_of(trigger.time_zone)
    start = _local(trigger.start_time, zone) if trigger.start_time else None
    begin = after.astimezone(zone)
    if start is not None and start > begin:
        begin = start - timedelta(microseconds=1)
    due = _next_cron(trigger, begin) if isinstance(trigger, CronTrigger) else _next_recurrence(trigger, begin, start)
    if trigger.end_time and due > _local(trigger.end_time, zone).astimezone(UTC):
        return None
    return due


def latest_due(trigger: Trigger, after: datetime, until: datetime) -> datetime | None:
    """The last time after `after` up to `until`; None when there is none. Looks back from `until` in steps that grow,
    so that a long outage costs no more than a short one. Raises Invalid as next_due does."""
    for span in _LOOK_BACK:
        begin = max(after, until - span)
        found = None
        due = next_due(trigger, begin)
        while due is not None and due <= until:
            found, due = due, next_due(trigger, due)
        if found is not None or begin == after:
            return found
    return None


def missed(trigger: Trigger, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """All times after `after` up to `until`, at most `limit`; [] for none."""
    found: list[datetime] = []
    due = next_due(trigger, after)
    while due is not None and due <= until and len(found) < limit:
        found.append(due)
        due = next_due(trigger, due)
    return found


def _local(text: str, zone: ZoneInfo) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


def _next_cron(trigger: CronTrigger, begin: datetime) -> datetime:
    from cronsim import CronSim, CronSimError

    try:
        return next(CronSim(trigger.expression.replace("?", "*"), begin)).astimezone(UTC)
    except (CronSimError, StopIteration) as error:
        raise Invalid(f"the cron expression {trigger.expression!r} never comes") from error


def _next_recurrence(trigger: RecurrenceTrigger, begin: datetime, start: datetime | None) -> datetime:
    zone = begin.tzinfo
    anchor = start.replace(tzinfo=None) if start else _EPOCH
    if trigger.frequency in ("minute", "hour"):
        return _next_step(anchor.replace(tzinfo=zone), trigger.interval * _SPANS[trigger.frequency], begin)
    times = _times(trigger.schedule, anchor)
    first = begin.date()
    for ahead in range(_HORIZON_DAYS):
        day = datetime(first.year, first.month, first.day) + timedelta(days=ahead)
        if day.date() < anchor.date() or not _is_day(trigger, day, anchor):
            continue
        for hour, minute in times:
            due = day.replace(hour=hour, minute=minute, tzinfo=zone)
            if due > begin:
                return due.astimezone(UTC)
    raise Invalid("the recurrence never comes", remedy="see its schedule's days")


def _next_step(anchor: datetime, span: timedelta, begin: datetime) -> datetime:
    """In real time: an hour is an hour when clocks change, too."""
    first, now = anchor.astimezone(UTC), begin.astimezone(UTC)
    if now < first:
        return first
    return first + ((now - first) // span + 1) * span


def _times(pattern: RecurrencePattern | None, anchor: datetime) -> list[tuple[int, int]]:
    if pattern is None:
        return [(anchor.hour, anchor.minute)]
    return sorted({(hour, minute) for hour in pattern.hours for minute in pattern.minutes})


def _is_day(trigger: RecurrenceTrigger, day: datetime, anchor: datetime) -> bool:
    pattern, every = trigger.schedule, trigger.interval
    if trigger.frequency == "day":
        return (day.date() - anchor.date()).days % every == 0
    if trigger.frequency == "week":
        week_of_anchor = anchor.date() - timedelta(days=anchor.weekday())
        wanted = list(pattern.week_days) if pattern and pattern.week_days else [_DAYS[anchor.weekday()]]
        return (day.date() - week_of_anchor).days // 7 % every == 0 and _DAYS[day.weekday()] in wanted
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    return months % every == 0 and day.day in set(_month_days(pattern, day, anchor))


def _month_days(pattern: RecurrencePattern | None, day: datetime, anchor: datetime) -> Iterator[int]:
    """-1 is the last day of the month."""
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    for wanted in (pattern.month_days if pattern and pattern.month_days else None) or [anchor.day]:
        yield last.day if wanted == -1 else wanted
