"""The registry of models: register, find, describe. Labels, archive and delete are beside it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from shared.commit import Committer, Current, Draft
from shared.errors import Conflict, Invalid, NotFound, PreconditionFailed
from shared.events import types
from shared.ports import Page, RecordQuery, ResourceQuery, ResourceStore
from shared.registry.keys import head_key, marker_key, tombstone_key, version_key
from shared.registry.registration import Registration, drafts_of
from shared.resources.base import Cause, HistoryRecord, Resource, ResourceKey, is_valid_name
from shared.resources.model import (
    LATEST,
    ModelDeclaration,
    ModelFile,
    ModelHeadStatus,
    ModelPhase,
    ModelSpec,
    Origin,
    RegistrationSpec,
    version_of,
)
from shared.resources.patches import ModelPatch, patch_properties, patch_spec, patch_tags

Accept = Callable[[Resource, Resource], Awaitable[None]]

MOVED_TRIES = 5  # looks at a label whose version is deleted between reading the one and the other


class Registry:
    """Models by name and version. Numbers count on from the highest; a version is never given twice, deleted or not."""

    def __init__(self, store: ResourceStore, committer: Committer) -> None:
        self._store = store
        self._committer = committer

    async def register(
        self,
        declaration: ModelDeclaration,
        files: Sequence[ModelFile],
        upload_id: str,
        cause: Cause,
        *,
        origin: Origin | None = None,
    ) -> Resource:
        """The new version; the version it already became when this upload was registered before.

        Raises AlreadyExists when the declaration names a version that is, or was, there; Invalid for a version that is
        none; NotFound when its parent is not there, or when the version that the upload became was deleted since."""
        parent = await self._parent(declaration)
        asked = Registration.of(declaration, files, upload_id, parent=parent, origin=origin)
        name, marker = declaration.name, marker_key(declaration.name, upload_id)
        keys = [head_key(name), marker]
        if asked.version is not None:
            keys += [version_key(name, asked.version), tombstone_key(name, asked.version)]

        async def change(current: Current) -> Sequence[Draft]:
            return () if current[marker] is not None else drafts_of(asked, current)

        committed = await self._committer.transact(keys, change, cause)
        if committed:
            return committed[1]
        version = await self.registered_version(name, upload_id)
        found = await self._store.read(version_key(name, version or ""))
        if found is None:
            raise NotFound(f"this upload became {name}:{version}, which was deleted", remedy="make a new upload of it")
        return found

    async def _parent(self, declaration: ModelDeclaration) -> str | None:
        if declaration.parent is None:
            return None
        name, version = split_reference(declaration.parent)
        found = await self.get(name, version)
        if found.status.get("phase") == ModelPhase.DELETING:
            raise NotFound(f"the parent {declaration.parent} is being deleted")
        return f"{found.name}:{found.version}"

    async def registered_version(self, name: str, upload_id: str) -> str | None:
        """The version that this upload became; None when it is not registered."""
        marker = await self._store.read(marker_key(name, upload_id))
        return RegistrationSpec.model_validate(marker.spec).model_version if marker else None

    async def head(self, name: str) -> Resource:
        """The head of a model. Raises NotFound."""
        found = await self._store.read(head_key(name)) if is_valid_name(name) else None
        if found is None:
            raise NotFound(f"there is no model {name!r}", remedy="`slipway model list` shows what there is")
        return found

    async def get(self, name: str, version: str = LATEST) -> Resource:
        """A version by its name, as `latest`, or as `@LABEL`. Raises NotFound, saying whether it is the name, the label
        or the version; Conflict when the label is moved all the time."""
        for _ in range(MOVED_TRIES):
            head = await self.head(name)
            status = ModelHeadStatus.model_validate(head.status)
            wanted = _resolved(name, version, status)
            found = await self._store.read(version_key(name, wanted)) if is_version(wanted) else None
            if found is not None:
                return found
            if version.lstrip("@") == wanted or not status.latest_version:
                raise NotFound(f"model {name!r} has no version {version!r}", remedy=_versions_there(name, status))
        raise Conflict(f"{name}@{version} is just being moved", remedy="try again")

    async def list_models(self, query: ResourceQuery) -> Page[Resource]:
        """The heads of models; each has the description and tags of its newest version."""
        return await self._store.list_resources(query)

    async def list_versions(self, query: ResourceQuery) -> Page[Resource]:
        """Versions of one model, or of all. Raises NotFound when there is no model of the query's name."""
        page = await self._store.list_resources(query)
        if not page.items and query.after is None and query.name is not None:
            await self.head(query.name)
        return page

    async def update(
        self,
        name: str,
        version: str,
        patch: ModelPatch,
        *,
        if_match: str,
        cause: Cause,
        accept: Accept | None = None,
    ) -> Resource:
        """The version with what the patch changes. Raises PreconditionFailed when `if_match` is not its ETag without
        quotes ("*": any), Invalid when a property would change, and what `accept(before, after)` raises."""
        found = await self.get(name, version)
        head = head_key(name)

        async def change(current: Current) -> Sequence[Draft]:
            now = current[found.key]
            if now is None or (if_match != "*" and if_match != (now.etag or "").strip('"')):
                raise PreconditionFailed(
                    f"{now.key if now else found.key} was changed since you read it", remedy="read it again"
                )
            drafts = _update(now, current[head], patch)
            if drafts and accept is not None:
                await accept(now, _applied(now, drafts[0]))
            return drafts

        committed = await self._committer.transact((found.key, head), change, cause)
        return committed[0] if committed else found

    async def history(self, key: ResourceKey, *, limit: int, continuation: str | None) -> Page[HistoryRecord]:
        """Every change of one resource, oldest first."""
        query = RecordQuery(partition=key.partition, key=str(key), limit=limit, after=continuation)
        return await self._store.list_history(query)


def is_version(text: str) -> bool:
    """Whether it could be a version."""
    try:
        return version_of(text) is not None
    except ValueError:
        return False


def split_reference(text: str) -> tuple[str, str]:
    """NAME, NAME:VERSION or NAME@LABEL as a name and what Registry.get takes for a version. Raises Invalid."""
    text = text.removeprefix("azureml:")
    name, colon, version = text.partition(":")
    if not colon:
        name, at, label = text.partition("@")
        version = f"@{label}" if at else LATEST
    if not (is_valid_name(name) and version):
        raise Invalid(f"{text[:100]!r} does not name a model", remedy="give NAME, NAME:VERSION or NAME@LABEL")
    return name, version


def _resolved(name: str, version: str, status: ModelHeadStatus) -> str:
    if version in (LATEST, f"@{LATEST}"):
        if not status.latest_version:
            raise NotFound(f"model {name!r} has no version that is not archived or deleted", remedy="register one")
        return status.latest_version
    if not version.startswith("@"):
        return version
    label = version[1:]
    if label not in status.labels:
        known = ", ".join([LATEST, *sorted(status.labels)])
        raise NotFound(f"model {name!r} has no label {label[:80]!r}", remedy=f"its labels are {known}")
    return status.labels[label]


def _versions_there(name: str, status: ModelHeadStatus) -> str:
    newest = f"the newest is {status.latest_version}, `{LATEST}` names it; " if status.latest_version else ""
    return f"{newest}`slipway model list {name}` shows all"


def _applied(version: Resource, draft: Draft) -> Resource:
    changed = {name: getattr(draft, name) for name in ("description", "tags", "properties", "spec")}
    return version.model_copy(update=changed)


def _update(version: Resource, head: Resource | None, patch: ModelPatch) -> Sequence[Draft]:
    description = patch.description_or(version.description)
    tags = patch_tags(version.tags, patch.tags)
    properties = patch_properties(version.properties, patch.properties)
    spec = patch_spec(ModelSpec.model_validate(version.spec), patch).model_dump(mode="json")
    changed = Draft.of(version, description=description, tags=tags, properties=properties, spec=spec)
    if changed == Draft.of(version):
        return ()
    event = types.model_event(types.MODEL_UPDATED, version.name, str(version.version), modelTags=tags)
    drafts = [replace(changed, events=(event,))]
    if head is not None and str(head.status.get("latest_version")) == version.version:
        drafts.append(Draft.of(head, description=description, tags=tags))
    return drafts
