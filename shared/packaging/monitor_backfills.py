"""Runs for times that are over: one for each time of a monitor's trigger, in order."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from shared.commit import TransactionalStore
from shared.errors import Fault, Invalid
from shared.monitors.schedule import due_times
from shared.monitors.scheduling import scheduled_run_id
from shared.packaging.monitor_runs import MonitorRuns
from shared.ports import Clock
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor import MonitorDeclaration
from shared.resources.monitor_run import KIND, MonitorRunPhase, MonitorRunSpec, RunReason

MAX_RUNS = 366  # of one backfill


class MonitorBackfills:
    """Backfills of monitors."""

    def __init__(self, store: TransactionalStore, clock: Clock, runs: MonitorRuns) -> None:
        self._store = store
        self._clock = clock
        self._runs = runs

    async def begin(self, name: str, start: datetime, end: datetime, notify: bool, cause: Cause) -> list[Resource]:
        """The runs for the times of the trigger from `start` to `end`, the oldest first; each begins when the one
        before has ended. What has run with the monitor as it is now is found, and not run again. Raises NotFound, and
        Invalid for a span without such a time, with too many, or that is not over."""
        monitor = await self._runs.monitor(name)
        declared = DeclaredSpec.model_validate(monitor.spec).declaration
        times = self._times(declared, start, end)
        ids = [await self._run_id(name, declared, due, notify) for due in times]
        left = [run_id for run_id in ids if not await self._is_done(run_id)]
        found = []
        for place, (run_id, due) in enumerate(zip(ids, times, strict=True)):
            following = [other for other in ids[place + 1 :] if other in left]
            spec = MonitorRunSpec(
                monitor=name,
                declaration=declared,
                due_at=due,
                reason=RunReason.BACKFILL,
                announces=notify,
                after=ids[place - 1] if place else "",
                then=following[0] if following else "",
            )
            found.append(await self._runs.begin_again(run_id, spec, cause))
        return found

    def _times(self, declared: dict[str, Any], start: datetime, end: datetime) -> list[datetime]:
        if end > self._clock.now() or start > end:
            fault = Fault(
                f"{start.isoformat()} to {end.isoformat()}", "/to", allowed="from before to, both in the past"
            )
            raise Invalid("a backfill is of times that are over", faults=(fault,))
        trigger = MonitorDeclaration.model_validate(declared).trigger
        times = due_times(trigger, start - timedelta(microseconds=1), end, MAX_RUNS + 1, bounded=False)
        if not times:
            raise Invalid("the monitor's trigger does not come in that span", remedy="choose a longer one")
        if len(times) > MAX_RUNS:
            remedy = f"choose a shorter span: {MAX_RUNS} runs end at {times[MAX_RUNS - 1].isoformat()}"
            raise Invalid(f"the monitor's trigger comes more than {MAX_RUNS} times in that span", remedy=remedy)
        return times

    async def _run_id(self, name: str, declared: dict[str, Any], due: datetime, notify: bool) -> str:
        """The scheduled run of that time, where it ended well with the same declaration; else one of its own."""
        run_id = scheduled_run_id(name, due)
        if await self._is_done(run_id, declared):
            return run_id
        said = json.dumps([name, declared, due.isoformat(), notify], sort_keys=True)
        return f"m-{hashlib.sha256(said.encode()).hexdigest()[:20]}"

    async def _is_done(self, run_id: str, declared: dict[str, Any] | None = None) -> bool:
        """Whether the run ended well, with this declaration."""
        found = await self._store.read(ResourceKey(KIND, run_id))
        if found is None or found.status["phase"] != MonitorRunPhase.SUCCEEDED:
            return False
        return declared is None or bool(found.spec["declaration"] == declared)
