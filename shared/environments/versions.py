"""What people do with versions of environments: look at their locks, upgrade, build again, cancel."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.environments.lock import PackageChange, Pin, compare_locks, read_lock
from shared.errors import Invalid, NotFound
from shared.events import types
from shared.ports import ArtifactStore, ResourceQuery
from shared.resources.base import Cause, Resource, ResourceKey, is_valid_name
from shared.resources.build import BUILD_TERMINAL, BuildStatus, StoredText
from shared.resources.declared import AssetHeadStatus
from shared.resources.environment import KIND
from shared.resources.environment_build import KIND as BUILD_KIND
from shared.resources.environment_build import TERMINAL, EnvironmentPhase, EnvironmentVersionStatus

PAGE = 200


class EnvironmentVersions:
    """The versions of environments."""

    def __init__(self, store: TransactionalStore, committer: Committer, artifacts: ArtifactStore) -> None:
        self._store = store
        self._committer = committer
        self._artifacts = artifacts

    async def get(self, name: str, version: str) -> Resource:
        """One version; "latest" is the newest that is not archived. Raises NotFound."""
        missing = NotFound(
            f"there is no environment {name[:80]}:{version[:80]}", remedy="`slipway environment list` shows all"
        )
        if not (is_valid_name(name) and is_valid_name(version)):
            raise missing
        if version == "latest":
            head = await self._store.read(ResourceKey(KIND, name))
            version = str(head.status.get("latest_version") or "") if head else ""
        found = await self._store.read(ResourceKey(KIND, name, version)) if version else None
        if found is None:
            raise missing
        return found

    async def build_of(self, version: Resource) -> Resource | None:
        """The build of the version's identity; None before it is locked, and for an image that is taken as it is."""
        identity = str(version.status.get("identity") or "")
        return await self._store.read(ResourceKey(BUILD_KIND, identity)) if identity else None

    async def lock(self, version: Resource) -> str:
        """The locked requirements as a file; "" for none. Raises NotFound while it is not locked."""
        status = EnvironmentVersionStatus.model_validate(version.status)
        if not status.identity:
            raise NotFound(f"{version.key} is not locked: it is {status.phase}", remedy="wait, or see its conditions")
        return await self.text(status.lock) if status.lock else ""

    async def text(self, stored: StoredText) -> str:
        """A stored text."""
        chunks = [chunk async for chunk in self._artifacts.read(stored.sha256)]
        return b"".join(chunks).decode(errors="replace")

    async def changes(self, before: Resource, after: Resource) -> tuple[PackageChange, ...]:
        """What differs between the locks of two versions, package by package. Raises NotFound for one not locked."""
        return compare_locks(await self._pins(before), await self._pins(after))

    async def _pins(self, version: Resource) -> tuple[Pin, ...]:
        return read_lock(await self.lock(version))

    async def upgrade(self, name: str, cause: Cause) -> Resource:
        """A new version with the newest one's definition, locked to the newest packages that fit. Raises NotFound."""
        latest = await self.get(name, "latest")
        head_key = ResourceKey(KIND, name)

        async def change(current: Current) -> Sequence[Draft]:
            head = current[head_key]
            if head is None:
                raise NotFound(f"there is no environment {name}")
            return _upgraded(head, latest)

        committed = await self._committer.transact((head_key,), change, cause)
        return committed[1]

    async def again(self, version: Resource, cause: Cause) -> None:
        """Have the identity of a version built again, and the version follow it; nothing for one under way. One that is
        outdated keeps its packages, and takes what its base image is now."""
        status = EnvironmentVersionStatus.model_validate(version.status)
        build = await self.build_of(version)
        if status.outdated and status.base_digest:  # it rests on what its base is now, and so is another identity
            status.base_digest = None
        elif build is not None:
            await self._change(build, BuildStatus().model_dump(mode="json"), cause, BUILD_TERMINAL)
        status.phase, status.outdated = EnvironmentPhase.PENDING, ""
        await self._change(version, status.model_dump(mode="json"), cause, TERMINAL)

    async def cancel(self, version: Resource, cause: Cause) -> None:
        """Have the build of a version end, for every version of its identity. Raises Invalid for one that has ended."""
        status = EnvironmentVersionStatus.model_validate(version.status)
        if status.phase in TERMINAL:
            raise Invalid(f"{version.key} is {status.phase}: there is nothing to cancel")
        build = await self.build_of(version)
        if build is None:
            status.phase = EnvironmentPhase.CANCELED
            canceled = types.environment_event(types.ENVIRONMENT_BUILD_CANCELED, version.name, str(version.version))
            await self._change(version, status.model_dump(mode="json"), cause, None, (canceled,), unfinished=False)
            return
        await self._change(build, {**build.status, "cancel_requested": True}, cause, None)

    async def _change(
        self,
        resource: Resource,
        status: dict[str, object],
        cause: Cause,
        only_in: frozenset[object] | None,
        events: tuple[types.EventDraft, ...] = (),
        *,
        unfinished: bool = True,
    ) -> None:
        """Give the resource this status, when its phase is one of `only_in` (None: one that has not ended)."""

        async def change(current: Current) -> Sequence[Draft]:
            found = current[resource.key]
            if found is None or (not found.unfinished if only_in is None else found.status.get("phase") not in only_in):
                return ()
            return (Draft.of(found, status=status, unfinished=unfinished, look_again_at=None, events=events),)

        await self._committer.transact((resource.key,), change, cause)

    async def mark_outdated(self, version: Resource, image: str, digest: str, cause: Cause) -> None:
        """Note that its base image has this digest now; nothing happens when that is what it rests on, but that an
        earlier note goes."""

        async def change(current: Current) -> Sequence[Draft]:
            found = current[version.key]
            if found is None:
                return ()
            why = "" if found.status.get("base_digest") == digest else f"its base image {image} is {digest} now"
            if (found.status.get("outdated") or "") == why:
                return ()
            return (Draft.of(found, status={**found.status, "outdated": why}),)

        await self._committer.transact((version.key,), change, cause)

    async def resting_on(self, image: str) -> list[Resource]:
        """Every version that is not archived and was built on the image REGISTRY/REPOSITORY:TAG."""
        return [one for one in await self.active() if one.status.get("base_image") == image]

    async def active(self) -> list[Resource]:
        """Every version that is not archived."""
        found: list[Resource] = []
        after: str | None = None
        while True:
            page = await self._store.list_resources(ResourceQuery(KIND, versions="versions", limit=PAGE, after=after))
            found += [one for one in page.items if not one.status.get("archived")]
            after = page.continuation
            if after is None:
                return found


def _upgraded(head: Resource, latest: Resource) -> Sequence[Draft]:
    status = AssetHeadStatus.model_validate(head.status)
    version = str(status.next_version)
    status.next_version, status.latest_version, status.archived = status.next_version + 1, version, False
    event = types.resource_event(types.RESOURCE_DECLARED, KIND, head.name, version, generation=1)
    shown = {"description": latest.description, "tags": dict(latest.tags)}
    new = Draft(
        ResourceKey(KIND, head.name, version),
        latest.spec,
        EnvironmentVersionStatus(upgrade=True).model_dump(mode="json"),
        properties=dict(latest.properties),
        unfinished=True,
        events=(event,),
        **shown,  # type: ignore[arg-type]
    )
    return Draft.of(head, status=status.model_dump(mode="json")), new
