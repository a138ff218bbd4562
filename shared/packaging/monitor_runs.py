"""Asking for a run of a monitor."""

from __future__ import annotations

import secrets

from shared.commit import Committer, TransactionalStore
from shared.errors import NotFound
from shared.packaging.work import Work
from shared.ports import Clock
from shared.resources.base import Cause, Resource, ResourceKey, is_valid_name
from shared.resources.declared import DeclaredSpec
from shared.resources.monitor import KIND as MONITOR
from shared.resources.monitor_run import KIND, MONITOR_RUN_TERMINAL, MonitorRunSpec, MonitorRunStatus


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
        found = await self._store.read(ResourceKey(MONITOR, monitor)) if is_valid_name(monitor) else None
        if found is None:
            raise NotFound(f"there is no monitor {monitor[:80]!r}", remedy="`slipway monitor list` shows all")
        declared = DeclaredSpec.model_validate(found.spec).declaration
        spec = MonitorRunSpec(
            monitor=found.name,
            declaration=declared,
            due_at=self._clock.now(),
            references=[str(found.key)],
        )
        return await self._work.begin(f"m-{secrets.token_hex(8)}", spec, MonitorRunStatus(), cause)

    async def cancel(self, run: Resource, cause: Cause) -> Resource:
        """Have a run end. Raises Invalid for one that has ended."""
        return await self._work.cancel(run, cause)
