"""What a timer looks at: resources that are unfinished, whose time has come, and whose message may have been lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from shared.controllers.loop import Loop
from shared.controllers.outcome import Deps
from shared.errors import Retryable
from shared.ports import ResourceQuery, ResourceStore, WorkMessage

LISTINGS: tuple[Literal["heads", "versions"], ...] = ("heads", "versions")


async def enqueue_overdue(loop: Loop, deps: Deps, kinds: Sequence[str], limit: int = 1000) -> int:
    """Ask for a look at every unfinished resource whose time has come; how many there were. A kind that cannot be
    listed now keeps no other from being looked at; in the end its Retryable is raised."""
    count, failed = 0, None
    for kind in kinds:
        for listing in LISTINGS:
            query = ResourceQuery(kind, versions=listing, unfinished_before=deps.clock.now(), limit=100)
            try:
                count += await _enqueue(loop, deps.store, query, limit - count)
            except Retryable as error:
                failed = failed or error
    if failed is not None:
        raise failed
    return count


async def _enqueue(loop: Loop, store: ResourceStore, query: ResourceQuery, limit: int) -> int:
    count = 0
    while count < limit:
        page = await store.list_resources(query)
        for resource in page.items:
            await loop.enqueue(WorkMessage(resource.key))
        count += len(page.items)
        if page.continuation is None:
            break
        query = replace(query, after=page.continuation)
    return count
