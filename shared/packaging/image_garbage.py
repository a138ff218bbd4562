"""Letting go images that nobody needs: first they are marked, and after the retention they go with what only they have.

It cannot take what is being made: a builder removes nothing while it builds, nor what was used since the retention, and
an image that is asked for again loses its mark in the transaction that a removal would conflict with.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.packaging.image_use import unused_images
from shared.ports import ANY_KIND, Clock, ImageBuilder, ResourceQuery, every
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.build import BUILD_TERMINAL
from shared.resources.image import KIND, ImageSpec, ImageStatus
from shared.resources.model import KIND as MODEL
from shared.resources.search import reference_term

PAGE = 500
CAUSE = Cause(actor="collect_garbage", type="timer", id="collect_garbage")


class ImageGarbage:
    """Collects images."""

    def __init__(
        self,
        store: TransactionalStore,
        committer: Committer,
        builder: ImageBuilder,
        clock: Clock,
        *,
        retention_s: float,
    ) -> None:
        self._store = store
        self._committer = committer
        self._builder = builder
        self._clock = clock
        self._retention = timedelta(seconds=retention_s)

    async def collect(self) -> tuple[str, ...]:
        """Mark what nobody needs, and remove what was marked for the whole retention; the images whose files went."""
        before = self._clock.now() - self._retention
        images = await self._images()
        unused = unused_images(images, await self._active_models(images), await self._referred(images))
        for image in images:
            await self._note(image, unused.get(image.name, ""))
        kept = {image.name for image in await self._images()}
        return await self._builder.collect(kept, before)

    async def _note(self, image: Resource, why: str) -> None:
        """Mark it, take its mark away, or delete it when it was marked long enough; nothing when it changed since."""
        status = ImageStatus.model_validate(image.status)
        now = self._clock.now()
        is_due = bool(why) and status.unused_since is not None and status.unused_since <= now - self._retention
        if not is_due and status.unused == why:
            return
        status.unused, status.unused_since = why, (status.unused_since or now) if why else None

        async def change(current: Current) -> Sequence[Draft]:
            found = current[image.key]
            if found is None or found.revision != image.revision or found.status.get("phase") not in BUILD_TERMINAL:
                return ()
            if is_due:
                return (Draft.of(found, delete=True, unfinished=False),)
            return (Draft.of(found, status=status.model_dump(mode="json")),)

        await self._committer.transact((image.key,), change, CAUSE)

    async def _images(self) -> list[Resource]:
        return [one async for one in every(self._store, ResourceQuery(KIND, limit=PAGE))]

    async def _active_models(self, images: Sequence[Resource]) -> set[str]:
        """Of the models in images those that are there and not archived, NAME:VERSION."""
        recipes = [ImageSpec.model_validate(image.spec).recipe for image in images]
        active = set()
        for name, version in {(one.model_name, one.model_version) for one in recipes}:
            found = await self._store.read(ResourceKey(MODEL, name, version))
            if found is not None and not found.status.get("archived"):
                active.add(f"{name}:{version}")
        return active

    async def _referred(self, images: Sequence[Resource]) -> set[str]:
        """The images that another resource refers to."""
        referred = set()
        for image in images:
            query = ResourceQuery(ANY_KIND, terms=(reference_term(str(image.key)),), limit=1)
            if (await self._store.list_resources(query)).items:
                referred.add(image.name)
        return referred
