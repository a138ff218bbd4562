"""Garbage collection: stored files that nothing refers to any more, and that nobody asked for in a while.

It can not race a registration. Storing or adopting a file renews it, also when it is there already, and only what was
not renewed for the whole retention is deleted, in one step with the check (ArtifactInventory.delete_if_older). A
registration commits within half of the retention after it stored its files, or stores them again.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import timedelta

from shared.ports import ANY_KIND, ArtifactInventory, Clock, ResourceQuery, ResourceStore
from shared.resources.base import Resource
from shared.resources.model import TOMBSTONE_KIND
from shared.resources.sync import KIND as SYNC_KIND
from shared.resources.upload import KIND as UPLOAD

_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
PAGE = 500
FORGETFUL = frozenset({TOMBSTONE_KIND, SYNC_KIND})  # kinds that name files only to remember them


@dataclass(slots=True)
class Collection:
    """What a collection did, or with `dry_run` would have done."""

    dry_run: bool
    kept: int = 0  # files that something refers to
    young: int = 0  # files that nothing refers to, not old enough
    collected: int = 0  # files deleted
    collected_bytes: int = 0


class GarbageCollector:
    """Collects."""

    def __init__(self, store: ResourceStore, inventory: ArtifactInventory, clock: Clock, *, retention_s: float) -> None:
        self._store = store
        self._inventory = inventory
        self._clock = clock
        self._retention = timedelta(seconds=retention_s)

    async def collect(self, *, dry_run: bool = False) -> Collection:
        """Delete what is old and unreferenced. The times come before the references: what is referred to later was
        renewed later."""
        before = self._clock.now() - self._retention
        referenced = await self._references()
        done = Collection(dry_run)
        after: str | None = None
        while True:
            page = await self._inventory.list_artifacts(after=after)
            for artifact in page.items:
                if _holds(referenced, artifact.sha256):
                    done.kept += 1
                elif artifact.renewed_at >= before:
                    done.young += 1
                elif dry_run or await self._inventory.delete_if_older(artifact.sha256, before):
                    done.collected += 1
                    done.collected_bytes += artifact.size_bytes
            after = page.continuation
            if after is None:
                return done

    async def _references(self) -> list[bytes]:
        """The first 8 bytes of every digest that any resource names, sorted: two that begin alike only keep a file."""
        found: set[bytes] = set()
        query = ResourceQuery(ANY_KIND, limit=PAGE)
        while True:
            page = await self._store.list_resources(query)
            for resource in page.items:
                found |= {bytes.fromhex(digest[:16]) for digest in digests_of(resource)}
            if page.continuation is None:
                return sorted(found)
            query = ResourceQuery(ANY_KIND, limit=PAGE, after=page.continuation)


def digests_of(resource: Resource) -> set[str]:
    """Every SHA-256 that the resource's spec and status name; none for kinds that only remember files, and for an
    upload that is done."""
    if resource.kind in FORGETFUL or (resource.kind == UPLOAD and not resource.unfinished):
        return set()
    return set(_SHA256.findall(resource.model_dump_json(include={"spec", "status"})))


def _holds(referenced: list[bytes], sha256: str) -> bool:
    prefix = bytes.fromhex(sha256[:16])
    place = bisect_left(referenced, prefix)
    return place < len(referenced) and referenced[place] == prefix
