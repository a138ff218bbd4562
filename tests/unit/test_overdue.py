"""What the timer looks at while the store fails now and then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.local.clock import ManualClock
from shared.bootstrap import ControlPlane
from shared.controllers.overdue import enqueue_overdue
from shared.controllers.table import CONTROLLERS
from shared.errors import Retryable
from shared.ports import ResourceQuery
from tests.plane import MANIFEST, blob_created, drop, plane

__all__ = ["plane"]


class FailingFor:
    """The store, whose listings of one kind fail."""

    def __init__(self, store: Any, kind: str) -> None:
        self._store = store
        self._kind = kind

    async def list_resources(self, query: ResourceQuery) -> Any:
        if query.kind == self._kind:
            raise Retryable("the service did not answer properly")
        return await self._store.list_resources(query)


@pytest.mark.parametrize("failing", ["data", "upload"])
async def test_a_kind_that_cannot_be_listed_keeps_no_other_from_being_looked_at(
    plane: ControlPlane, failing: str
) -> None:
    drop(plane, "d/model.yml", MANIFEST)
    await plane.storage_event(blob_created("d/model.yml"))  # an upload that waits for its files
    while await plane.deps.queue.receive(max_messages=16, visibility_timeout_s=600):
        pass
    later: Any = ManualClock(plane.deps.clock.now() + timedelta(days=1))
    failing_store: Any = FailingFor(plane.deps.store, failing)
    deps = replace(plane.deps, store=failing_store, clock=later)
    with pytest.raises(Retryable):
        await enqueue_overdue(plane.loop, deps, ["data", *sorted(CONTROLLERS)])
    messages = await plane.deps.queue.receive(max_messages=16, visibility_timeout_s=600)
    assert any('"kind": "upload"' in message.body for message in messages) == (failing != "upload")
