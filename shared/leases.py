"""Leases: one of several hosts does a periodic job, another takes over when it is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from shared.errors import Conflict, Retryable
from shared.ports import Clock, Commit, ResourceStore, Write
from shared.resources.base import Document, Resource, ResourceKey

KIND = "lease"
log = logging.getLogger(__name__)


class LeaseStatus(Document):
    """Who has it, and until when."""

    holder: str  # name of the host
    expires_at: datetime  # from then on anybody may take it


class Leases:
    """Leases kept in the ResourceStore, by compare-and-set. `holder` names this host."""

    def __init__(self, store: ResourceStore, clock: Clock, holder: str) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder
        self._under_way: set[str] = set()  # what this host does now

    @asynccontextmanager
    async def turn(self, name: str, *, duration_s: float, release: bool = False) -> AsyncIterator[bool]:
        """Whether it is the caller's turn: no other host has the lease, and nothing of this host is under way with it.
        The lease is kept for as long as the context lasts; after that it expires, unless it is released."""
        if name in self._under_way:
            yield False
            return
        self._under_way.add(name)
        try:
            if not await self.acquire(name, duration_s=duration_s):
                yield False
                return
            renewing = asyncio.create_task(self._renew(name, duration_s))
            try:
                yield True
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
                if release:
                    await self.release(name)
        finally:
            self._under_way.discard(name)

    async def _renew(self, name: str, duration_s: float) -> None:
        while True:
            await asyncio.sleep(duration_s / 4)
            try:
                await self.acquire(name, duration_s=duration_s)
            except Retryable as error:
                log.warning("the lease %s could not be kept just now: %s", name, error.message)

    async def acquire(self, name: str, *, duration_s: float) -> bool:
        """Whether this host has the lease, for duration_s from now or at least half of that; it is given up by letting
        it expire, so that the same host goes on with the job. Not getting it is no error."""
        key, duration = ResourceKey(KIND, name), timedelta(seconds=duration_s)
        now = self._clock.now()
        found = await self._store.read(key)
        lease = LeaseStatus.model_validate(found.status) if found else None
        if lease is not None and lease.expires_at > now:
            if lease.holder != self._holder:
                return False
            if lease.expires_at - now > duration / 2:
                return True
        try:
            await self._store.commit(Commit((Write(self._lease(key, found, now, now + duration)),)))
        except Conflict:
            return False
        return True

    async def release(self, name: str) -> None:
        """Let others have the lease at once; nothing happens when this host does not have it. Should it not be possible
        now, the lease expires by itself."""
        found = await self._store.read(ResourceKey(KIND, name))
        if found is None or LeaseStatus.model_validate(found.status).holder != self._holder:
            return
        now = self._clock.now()
        try:
            await self._store.commit(Commit((Write(self._lease(found.key, found, now, now)),)))
        except (Conflict, Retryable):
            return

    def _lease(self, key: ResourceKey, found: Resource | None, now: datetime, expires_at: datetime) -> Resource:
        return Resource(
            kind=key.kind,
            name=key.name,
            spec={},
            status=LeaseStatus(holder=self._holder, expires_at=expires_at).model_dump(mode="json"),
            revision=(found.revision if found else 0) + 1,
            created_at=found.created_at if found else now,
            created_by=self._holder,
            modified_at=now,
            modified_by=self._holder,
            etag=found.etag if found else None,
        )
