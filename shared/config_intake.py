"""How declared files come in that are dropped into the container `config`: each arrival asks for a sync of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from shared.commit import Current, Draft
from shared.controllers.loop import Loop
from shared.controllers.outcome import Deps
from shared.errors import SlipwayError
from shared.ports import WorkMessage
from shared.resources.base import Cause, ResourceKey
from shared.resources.sync import KIND, REF_KIND, RefStatus, SyncPhase, SyncSpec, SyncStatus, Trigger, sync_id
from shared.syncing.blob_tree import CONFIG, CONFIG_PROVENANCE, state_of

log = logging.getLogger(__name__)

WINDOW_S = 1.0  # what arrives within one is applied together, once it is over


class ConfigIntake:
    """Turns arrivals into syncs: at most one for each window, however many files came."""

    def __init__(self, deps: Deps, loop: Loop) -> None:
        self._deps = deps
        self._loop = loop

    async def blob_created(self, cause: Cause) -> None:
        """Something arrived: the container is looked at when the window is over. An event that comes twice or late
        only has it looked at once more."""
        now = self._deps.clock.now()
        key = ResourceKey(KIND, sync_id(CONFIG, str(int(now.timestamp() / WINDOW_S))))
        spec = SyncSpec(
            repository=CONFIG, trigger=Trigger.STORAGE, sender=cause.actor, pushed_at=now, provenance=CONFIG_PROVENANCE
        )

        async def change(current: Current) -> Sequence[Draft]:
            if current[key] is not None:
                return ()
            status = SyncStatus(phase=SyncPhase.PENDING).model_dump(mode="json")
            return (Draft(key, spec.model_dump(mode="json"), status, unfinished=True),)

        if await self._deps.committer.transact((key,), change, cause):
            await self._loop.enqueue(WorkMessage(key), delay_s=WINDOW_S + self._deps.settings.upload_settle_s)

    async def take_up(self, cause: Cause) -> bool:
        """Ask for a sync when the container is not as it was applied last, of which no event was heard; whether it was
        so."""
        try:
            blobs = await self._deps.uploads.list_blobs(CONFIG, "")
        except SlipwayError as error:  # it must not keep the timer from its other work
            log.warning("the container %s could not be looked at: %s", CONFIG, error.message)
            return False
        found = await self._deps.store.read(ResourceKey(REF_KIND, sync_id(CONFIG, None)))
        applied = RefStatus.model_validate(found.status).commit if found else None
        if applied == state_of(blobs) or (applied is None and not blobs):
            return False
        await self.blob_created(cause)
        return True
