"""Runs that the triggers of monitors start, and whether they do."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.errors import Invalid
from shared.monitors.scheduling import Start, decide_start
from shared.packaging.monitor_runs import MonitorRuns
from shared.ports import Clock, ResourceQuery, every
from shared.resources.base import Cause, Resource
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor_run import RunReason
from shared.resources.monitor_status import MonitorStatus

log = logging.getLogger(__name__)

PAGE = 200


class MonitorSchedules:
    """The triggers of all monitors."""

    def __init__(self, store: TransactionalStore, committer: Committer, clock: Clock, runs: MonitorRuns) -> None:
        self._store = store
        self._committer = committer
        self._clock = clock
        self._runs = runs

    async def start_due(self, cause: Cause) -> list[Resource]:
        """The runs that are due now, at most one a monitor; [] for none. Whoever does it twice, or beside another,
        finds the run begun: its id follows from the monitor and the time, which is noted only when the run is there."""
        begun = []
        async for monitor in every(self._store, ResourceQuery(MONITOR, limit=PAGE)):
            try:
                start = self._decided(monitor)
            except Invalid as error:
                log.error("the trigger of the monitor %s starts nothing: %s", monitor.name, error)
                continue
            if start.due_at is not None:
                run_id = start.status.last_started_run
                begun.append(await self._runs.begin(monitor, run_id, start.due_at, RunReason.SCHEDULED, cause))
            await self._note(monitor, start, cause)
        return begun

    async def set_disabled(self, name: str, disabled: bool, cause: Cause) -> Resource:
        """The monitor, whose trigger starts nothing, or what becomes due from now on. Raises NotFound."""
        found = await self._runs.monitor(name)

        async def change(current: Current) -> Sequence[Draft]:
            monitor = current[found.key]
            if monitor is None:
                return ()
            status = MonitorStatus.model_validate(monitor.status)
            if status.disabled == disabled:
                return ()
            trigger = DeclaredSpec.model_validate(monitor.spec).declaration["trigger"]
            changes = {"disabled": disabled, "trigger": trigger, "started_until": self._clock.now()}
            return (Draft.of(monitor, status=status.model_copy(update=changes).model_dump(mode="json")),)

        await self._committer.transact((found.key,), change, cause)
        return await self._runs.monitor(name)

    def _decided(self, monitor: Resource) -> Start:
        declared = DeclaredSpec.model_validate(monitor.spec).declaration
        status = MonitorStatus.model_validate(monitor.status)
        return decide_start(monitor.name, declared, status, monitor.modified_at, self._clock.now())

    async def _note(self, monitor: Resource, start: Start, cause: Cause) -> None:
        """Remember what is done with, unless the monitor says something else by now: then the next look tells."""
        if MonitorStatus.model_validate(monitor.status) == start.status:
            return

        async def change(current: Current) -> Sequence[Draft]:
            found = current[monitor.key]
            if found is None or found.spec != monitor.spec or found.status.get("disabled"):
                return ()
            noted = start.status.model_dump(mode="json", include={"trigger", "started_until", "last_started_run"})
            status = MonitorStatus.model_validate({**found.status, **noted})
            return (Draft.of(found, status=status.model_dump(mode="json")),)

        await self._committer.transact((monitor.key,), change, cause)
