"""Windows of collected data as resources: found out about, one for each hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.monitors.collected_layout import window_of
from shared.monitors.window_decision import arrived
from shared.monitors.window_use import is_compared
from shared.ports import Clock
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.collection_window import (
    KIND,
    CollectionWindowSpec,
    CollectionWindowStatus,
    WindowPhase,
    window_name,
)
from shared.resources.declared import deployment_name
from shared.settings import Settings

_UNDER_WAY = frozenset({WindowPhase.PENDING, WindowPhase.SKETCHING})


class CollectionWindows:
    """The windows."""

    def __init__(self, store: TransactionalStore, committer: Committer, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._committer = committer
        self._clock = clock
        self._settle = timedelta(seconds=settings.collected_settle_s)
        self._retention = timedelta(seconds=settings.window_sketch_retention_s)

    async def note(self, collection: str, folder: str, at: datetime, cause: Cause) -> ResourceKey | None:
        """A file of the window was written at this time. The window, if it is to be looked at for that; None when
        that changes nothing, when its sketches would not be kept, and when no monitor compares the collection with the
        sketch of a data asset."""
        now = self._clock.now()
        if window_of(folder).end < now - self._retention:
            return None
        key = ResourceKey(KIND, window_name(collection, folder))
        found = await self._store.read(key)
        known = _status(found)
        if arrived(known, at, now, self._settle) is None:
            return None
        if (known is None or known.phase not in _UNDER_WAY) and not await is_compared(collection, self._store, now):
            return None

        async def change(current: Current) -> Sequence[Draft]:
            before = current[key]
            status = arrived(_status(before), at, now, self._settle)
            if status is None:
                return ()
            said = status.model_dump(mode="json")
            if before is not None:
                return (Draft.of(before, status=said, unfinished=True, look_again_at=now),)
            return (Draft(key, _spec(collection, folder).model_dump(mode="json"), said, unfinished=True),)

        return key if await self._committer.transact((key,), change, cause) else None


def _status(window: Resource | None) -> CollectionWindowStatus | None:
    return CollectionWindowStatus.model_validate(window.status) if window else None


def _spec(collection: str, folder: str) -> CollectionWindowSpec:
    window, day = window_of(folder), "/".join(folder.split("/")[:3])
    endpoint, deployment, _ = collection.split("/")
    return CollectionWindowSpec(
        deployment=deployment_name(endpoint, deployment),
        collection=collection,
        folder=folder,
        collected_on=f"{collection}/{day}",
        start=window.start,
        end=window.end,
    )
