"""Letting go windows of collected data that nobody compares any more; their sketches go with the other files that
nothing refers to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.monitors.window_use import is_compared
from shared.ports import Clock, ResourceQuery, every
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.collection_window import KIND, CollectionWindowSpec, WindowPhase
from shared.resources.online_deployment import KIND as DEPLOYMENT

PAGE = 500
CAUSE = Cause(actor="collect_garbage", type="timer", id="collect_garbage")


class WindowGarbage:
    """Collects windows."""

    def __init__(self, store: TransactionalStore, committer: Committer, clock: Clock, *, retention_s: float) -> None:
        self._store = store
        self._committer = committer
        self._clock = clock
        self._retention = timedelta(seconds=retention_s)

    async def collect(self) -> int:
        """Delete windows that ended before the retention, those that no monitor compares, and those of deployments that
        are gone; how many."""
        now, count = self._clock.now(), 0
        needed: dict[str, bool] = {}
        for window in await self._windows():
            spec = CollectionWindowSpec.model_validate(window.spec)
            if spec.collection not in needed:
                needed[spec.collection] = await self._is_needed(spec, now)
            if not needed[spec.collection] or spec.end < now - self._retention:
                count += await self._delete(window)
        return count

    async def _is_needed(self, spec: CollectionWindowSpec, now: datetime) -> bool:
        if await self._store.read(ResourceKey(DEPLOYMENT, spec.deployment)) is None:
            return False
        return await is_compared(spec.collection, self._store, now, or_may_be=True)

    async def _delete(self, window: Resource) -> int:
        """One that is read now, or has changed since, goes another time."""

        async def change(current: Current) -> Sequence[Draft]:
            found = current[window.key]
            if found is None or found.revision != window.revision or found.status["phase"] == WindowPhase.SKETCHING:
                return ()
            return (Draft.of(found, delete=True, unfinished=False),)

        return len(await self._committer.transact((window.key,), change, CAUSE))

    async def _windows(self) -> list[Resource]:
        return [one async for one in every(self._store, ResourceQuery(KIND, limit=PAGE))]
