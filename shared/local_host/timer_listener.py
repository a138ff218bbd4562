"""A timer trigger: no overlap, past-due runs, the next run computed after the last has ended, errors that never stop it
(azure-webjobs-sdk-extensions, TimerListener and ScheduleMonitor)."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.functions.meta import Datum
from pydantic import Field, ValidationError

from shared.local_host.app_loader import FunctionDescription
from shared.local_host.invocation import Invoker, RetryContext
from shared.local_host.ncrontab import Schedule
from shared.ports import Clock
from shared.resources.base import Document

logger = logging.getLogger("slipway.host")
MAX_SLEEP_S = 60.0  # the machine's clock may jump (suspend, NTP); so the time is read at least this often


class TimerStatus(Document):
    """What is remembered of a timer between starts of the host."""

    last: datetime | None = None  # when it was last due and ran
    last_updated: datetime  # when this was written


class _StatusFile(Document):
    timers: dict[str, TimerStatus] = Field(default_factory=dict)


class TimerStatuses:
    """timers.json: replaced as a whole, so that it is never half written. A damaged one counts as none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = _StatusFile.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            self._file = _StatusFile()
        except (ValidationError, ValueError):
            logger.warning("%s is damaged: timers start as if they had never run", path)
            self._file = _StatusFile()

    def get(self, name: str) -> TimerStatus | None:
        """The status of that timer, or None when it never ran nor was seen."""
        return self._file.timers.get(name)

    def set(self, name: str, status: TimerStatus) -> None:
        """Remember it."""
        self._file.timers[name] = status
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(self._file.model_dump_json(indent=2))
        temporary.replace(self._path)


class TimerListener:
    """Runs one function by its schedule."""

    def __init__(
        self,
        function: FunctionDescription,
        schedule: Schedule,
        *,
        invoker: Invoker,
        statuses: TimerStatuses,
        clock: Clock,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._invoker = invoker
        self._statuses = statuses
        self._clock = clock
        self._current: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until cancelled. At the start it runs once when it is past due, else when runOnStartup is set."""
        due = self._first_due()
        past_due = self._clock.now() > due
        if past_due or self._function.settings.get("runOnStartup"):
            await self._run_once(due if past_due else self._clock.now(), past_due=past_due)
        while True:
            due = self._schedule.next_after(self._clock.now())
            while (wait_s := (due - self._clock.now()).total_seconds()) > 0:
                await self._clock.sleep(min(wait_s, MAX_SLEEP_S))
                due = min(due, self._schedule.next_after(self._clock.now()))  # the clock may have been set back
            await self._run_once(due, past_due=False)

    async def finish(self) -> None:
        """Wait until the run that was under way when `run` was cancelled has ended; cancelled itself, it ends that."""
        if self._current is not None:
            try:
                await asyncio.wait({self._current})
            finally:
                self._current.cancel()

    def _first_due(self) -> datetime:
        status = self._statuses.get(self._function.name)
        if status is None:
            now = self._clock.now()
            self._statuses.set(self._function.name, TimerStatus(last_updated=now))
            return self._schedule.next_after(now)
        return self._schedule.next_after(status.last or status.last_updated)

    async def _run_once(self, due: datetime, *, past_due: bool) -> None:
        self._current = asyncio.create_task(self._invoke(due, past_due=past_due))
        await asyncio.shield(self._current)  # a host that stops lets it end

    async def _invoke(self, due: datetime, *, past_due: bool) -> None:
        data = timer_datum(self._schedule, self._statuses.get(self._function.name), due, past_due=past_due)
        policy = self._function.retry
        retries = 0
        while True:
            most = policy.max_retry_count if policy else 0
            result = await self._invoker.start(self._function, data, retry=RetryContext(retries, most))
            if result.succeeded or result.cancelled or policy is None or 0 <= most <= retries:
                break
            retries += 1
            await self._clock.sleep(policy.delay_s(retries))
        if not result.cancelled:
            self._remember(due)

    def _remember(self, due: datetime) -> None:
        try:
            self._statuses.set(self._function.name, TimerStatus(last=due, last_updated=self._clock.now()))
        except OSError as error:
            logger.error("the status of timer %s was not kept: %s", self._function.name, error)


def timer_datum(schedule: Schedule, status: TimerStatus | None, due: datetime, *, past_due: bool) -> Datum:
    """What a timer function gets: {"Schedule", "ScheduleStatus", "IsPastDue"}."""
    never = datetime(1, 1, 1, tzinfo=UTC)
    document: dict[str, Any] = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": (status.last if status and status.last else never).isoformat(),
            "Next": schedule.next_after(due).isoformat(),
            "LastUpdated": (status.last_updated if status else never).isoformat(),
        },
        "IsPastDue": past_due,
    }
    return Datum(json.dumps(document), "json")
