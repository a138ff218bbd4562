"""Archive, restore and delete models and their versions."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft
from shared.errors import DeletionRequired, Fault, NotFound
from shared.events import types
from shared.ports import ANY_KIND, ResourceQuery, ResourceStore
from shared.registry.keys import head_key, tombstone_key, version_key
from shared.registry.models import Registry
from shared.resources.base import Cause, Resource
from shared.resources.model import (
    KIND,
    ModelHeadStatus,
    ModelPhase,
    ModelSpec,
    ModelVersionStatus,
    TombstoneSpec,
)
from shared.resources.search import ACTIVE, reference_term

SHOWN_USERS = 100


class Lifecycle:
    """An archived version can still be read and used; a deleted one is gone, and its name stays taken."""

    def __init__(self, store: ResourceStore, registry: Registry, committer: Committer) -> None:
        self._store = store
        self._registry = registry
        self._committer = committer

    async def set_archived(self, name: str, version: str | None, archived: bool, cause: Cause) -> Resource:
        """The version (None: the model as a whole), archived or restored. Raises NotFound."""
        if version is None:
            return await self._set_head_archived(name, archived, cause)
        found = await self._registry.get(name, version)

        async def change(current: Current) -> Sequence[Draft]:
            head, now = current[head_key(name)], current[found.key]
            if head is None or now is None:
                raise NotFound(f"{name}:{found.version} was deleted")
            status = ModelVersionStatus.model_validate(now.status)
            if status.archived == archived:
                return ()
            changed = status.model_copy(update={"archived": archived})
            event = _event(now, archived)
            latest = await self._latest(head, left=now) if archived else await self._latest(head, came=now)
            return (Draft.of(now, status=changed.model_dump(mode="json"), events=(event,)), _with_latest(head, latest))

        committed = await self._committer.transact((found.key, head_key(name)), change, cause)
        return committed[0] if committed else found

    async def _set_head_archived(self, name: str, archived: bool, cause: Cause) -> Resource:
        found = await self._registry.head(name)

        async def change(current: Current) -> Sequence[Draft]:
            head = current[found.key]
            if head is None or bool(head.status.get("archived")) == archived:
                return ()
            status = ModelHeadStatus.model_validate(head.status).model_copy(update={"archived": archived})
            type_ = types.MODEL_ARCHIVED if archived else types.MODEL_RESTORED
            event = types.EventDraft(type_, f"models/{name}", {"modelName": name})
            return (Draft.of(head, status=status.model_dump(mode="json"), events=(event,)),)

        committed = await self._committer.transact((found.key,), change, cause)
        return committed[0] if committed else found

    async def delete(self, name: str, version: str, cause: Cause) -> None:
        """Delete a version. Raises NotFound, DeletionRequired with all who use it: labels, and resources that refer to
        it. It is marked first, so that what begins to use it meanwhile is either seen here or sees the mark."""
        found = await self._registry.get(name, version)
        await self._refuse_if_used(found)
        await self._mark(found, ModelPhase.DELETING, cause)
        await self.finish_deletion(name, str(found.version), cause)

    async def finish_deletion(self, name: str, version: str, cause: Cause) -> None:
        """Delete a marked version, or take the mark away and raise DeletionRequired when somebody uses it."""
        found = await self._store.read(version_key(name, version))
        if found is None or found.status.get("phase") != ModelPhase.DELETING:
            return
        try:
            await self._refuse_if_used(found)
        except DeletionRequired:
            inspected = found.status.get("inspection") is not None
            await self._mark(found, ModelPhase.READY if inspected else ModelPhase.REGISTERED, cause)
            raise
        await self._remove(found, cause)

    async def _mark(self, version: Resource, phase: ModelPhase, cause: Cause) -> None:
        async def change(current: Current) -> Sequence[Draft]:
            now = current[version.key]
            if now is None or now.status.get("phase") == phase:
                return ()
            return (Draft.of(now, status={**now.status, "phase": phase}, unfinished=phase != ModelPhase.READY),)

        await self._committer.transact((version.key,), change, cause)

    async def _remove(self, version: Resource, cause: Cause) -> None:
        name = version.name
        keys = (version.key, head_key(name), tombstone_key(name, str(version.version)))

        async def change(current: Current) -> Sequence[Draft]:
            now, head = current[version.key], current[head_key(name)]
            if now is None or head is None or now.status.get("phase") != ModelPhase.DELETING:
                return ()
            spec = ModelSpec.model_validate(now.spec)
            memory = TombstoneSpec(model_version=str(now.version), files=spec.files, history_hash=now.history_hash)
            event = types.model_event(types.MODEL_DELETED, name, str(now.version))
            return (
                Draft.of(now, events=(event,), delete=True, unfinished=False),
                _with_latest(head, await self._latest(head, left=now)),
                Draft(keys[2], spec=memory.model_dump(mode="json")),
            )

        await self._committer.transact(keys, change, cause)

    async def _refuse_if_used(self, version: Resource) -> None:
        users = [f"label {label}" for label in version.status.get("labels") or ()]
        query = ResourceQuery(
            ANY_KIND, terms=(reference_term(f"{KIND}/{version.name}:{version.version}"),), limit=SHOWN_USERS
        )
        users += [str(one.key) for one in (await self._store.list_resources(query)).items]
        if users:
            raise DeletionRequired(
                f"{version.name}:{version.version} is in use by {', '.join(users[:5])}"
                + (f" and {len(users) - 5} more" if len(users) > 5 else ""),
                faults=tuple(Fault(f"{user} uses it") for user in users),
                remedy="delete its users or let them use another version, then delete it; or archive it",
            )

    async def _latest(self, head: Resource, *, left: Resource | None = None, came: Resource | None = None) -> str:
        """The newest version that is not archived, without `left` and with `came`; "" when there is none."""
        latest = str(head.status.get("latest_version") or "")
        if left is not None and left.version != latest:
            return latest
        query = ResourceQuery(KIND, head.name, "versions", terms=(ACTIVE,), sort="created", descending=True, limit=2)
        found = [one for one in (await self._store.list_resources(query)).items if left is None or one.key != left.key]
        if came is not None:
            found.append(came)
        newest = max(found, key=lambda one: one.created_at, default=None)
        return str(newest.version) if newest else ""


def _with_latest(head: Resource, latest: str) -> Draft:
    status = ModelHeadStatus.model_validate(head.status)
    changed = status.model_copy(update={"latest_version": latest, "archived": not latest})
    return Draft.of(head, status=changed.model_dump(mode="json"))


def _event(version: Resource, archived: bool) -> types.EventDraft:
    type_ = types.MODEL_ARCHIVED if archived else types.MODEL_RESTORED
    return types.model_event(type_, version.name, str(version.version))
