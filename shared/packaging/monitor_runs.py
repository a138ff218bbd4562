"""Runs of monitors: begun, found and canceled."""

from __future__ import annotations

import secrets
from datetime import datetime

from shared.commit import Committer, TransactionalStore
from shared.errors import NotFound
from shared.packaging.work import Work
from shared.ports import Clock
from shared.resources.base import Cause, Resource, ResourceKey, is_valid_name
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor_run import KIND, MONITOR_RUN_TERMINAL, MonitorRunSpec, MonitorRunStatus, RunReason


class MonitorRuns:
    """The runs of monitors."""

    def __init__(self, store: TransactionalStore, committer: Committer, clock: Clock) -> None:
        self._work = Work(KIND, "run of a monitor", "slipway monitor runs", MONITOR_RUN_TERMINAL, store, committer)
        self._store = store
        self._clock = clock

    async def get(self, monitor_run_id: str) -> Resource:
        """One run. Raises NotFound."""
        return await self._work.get(monitor_run_id)

    async def ask(self, monitor: str, cause: Cause) -> Resource:
        """A new run, whose windows end now. Raises NotFound."""
        found = await self.monitor(monitor)
        return await self.begin(found, f"m-{secrets.token_hex(10)}", self._clock.now(), RunReason.REQUESTED, cause)

    async def begin(
        self, monitor: Resource, run_id: str, due_at: datetime, reason: RunReason, cause: Cause
    ) -> Resource:
        """The run of this id, asked for now or before."""
        spec = MonitorRunSpec(
            monitor=monitor.name,
            declaration=DeclaredSpec.model_validate(monitor.spec).declaration,
            due_at=due_at,
            reason=reason,
        )
        return await self._work.begin(run_id, spec, MonitorRunStatus(), cause)

    async def monitor(self, name: str) -> Resource:
        """The monitor of this name. Raises NotFound."""
        found = await self._store.read(ResourceKey(MONITOR, name)) if is_valid_name(name) else None
        if found is None:
            raise NotFound(f"there is no monitor {name[:80]!r}", remedy="`slipway monitor list` shows all")
        return found

    async def cancel(self, run: Resource, cause: Cause) -> Resource:
        """Have a run end. Raises Invalid for one that has ended."""
        return await self._work.cancel(run, cause)
