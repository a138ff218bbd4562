"""What container registries tell: an image was pushed. And what is no longer needed of what was built."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from shared.commit import Current, Draft
from shared.controllers.loop import Loop
from shared.controllers.outcome import Deps
from shared.environments.versions import EnvironmentVersions
from shared.errors import BadRequest
from shared.events.types import IMAGE_PUSHED
from shared.ports import ResourceQuery, WorkMessage
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.build import BUILD_TERMINAL
from shared.resources.environment_build import KIND as BUILD_KIND
from shared.resources.events import Event
from shared.resources.image import KIND as IMAGE_KIND

log = logging.getLogger(__name__)

PAGE = 200


class ImageIntake:
    """Takes up pushed images, and lets go what nobody uses."""

    def __init__(self, deps: Deps, loop: Loop, environments: EnvironmentVersions) -> None:
        self._deps = deps
        self._loop = loop
        self._environments = environments

    async def image_pushed(self, event: Event) -> None:
        """Look at the build that the image belongs to, and mark what rests on an image that changed. Nothing happens
        for any other image, and for the same event again. Raises BadRequest for another event."""
        if event.type != IMAGE_PUSHED:
            raise BadRequest(f"{event.type[:80]!r} is not {IMAGE_PUSHED}")
        target, request = event.data.get("target") or {}, event.data.get("request") or {}
        repository, tag, digest = (str(target.get(key) or "") for key in ("repository", "tag", "digest"))
        for build in (ResourceKey(BUILD_KIND, tag), ResourceKey(IMAGE_KIND, tag)):
            if tag and (found := await self._deps.store.read(build)) is not None:
                if found.unfinished:
                    await self._loop.enqueue(WorkMessage(build))
                return
        image = f"{request.get('host')}/{repository}:{tag}"
        for version in await self._environments.resting_on(image):
            cause = Cause(actor="container_registry", type="event", id=event.id)
            await self._environments.mark_outdated(version, image, digest, cause)

    async def collect_environments(self) -> tuple[str, ...]:
        """Let go what was built for versions that are archived or deleted, once it is older than the retention; the
        identities."""
        before = self._deps.clock.now() - timedelta(seconds=self._deps.settings.artifact_retention_s)
        used = {str(one.status.get("identity")) for one in await self._environments.active()}
        cause = Cause(actor="collect_garbage", type="timer", id="collect_garbage")
        for build in await self._builds():
            if build.name not in used and build.modified_at < before:
                await self._forget(build, cause)
        kept = {build.name for build in await self._builds()}
        return await self._deps.environments.collect(kept, before)

    async def _forget(self, build: Resource, cause: Cause) -> None:
        async def change(current: Current) -> Sequence[Draft]:
            found = current[build.key]
            if found is None or found.revision != build.revision or found.status.get("phase") not in BUILD_TERMINAL:
                return ()
            return (Draft.of(found, delete=True, unfinished=False),)

        await self._deps.committer.transact((build.key,), change, cause)

    async def _builds(self) -> list[Resource]:
        found: list[Resource] = []
        after: str | None = None
        while True:
            page = await self._deps.store.list_resources(ResourceQuery(BUILD_KIND, limit=PAGE, after=after))
            found += page.items
            after = page.continuation
            if after is None:
                return found
