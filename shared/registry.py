"""The model registry: register, find, list, describe, history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from shared.commit import Committer, Current, Draft
from shared.errors import AlreadyExists, Invalid, NotFound, PreconditionFailed
from shared.events import types
from shared.ports import Page, RecordQuery, ResourceQuery, ResourceStore
from shared.resources.base import Cause, HistoryRecord, Resource, ResourceKey, is_valid_name
from shared.resources.model import (
    KIND,
    REGISTRATION_KIND,
    ModelDeclaration,
    ModelFile,
    ModelHeadStatus,
    ModelSpec,
    RegistrationSpec,
)
from shared.resources.patches import ModelPatch, patch_properties, patch_tags

LATEST = "latest"


def head_key(name: str) -> ResourceKey:
    """The head of a model, which counts its versions."""
    return ResourceKey(KIND, name)


def version_key(name: str, version: int) -> ResourceKey:
    """One version."""
    return ResourceKey(KIND, name, str(version))


class Registry:
    """Models by name and version. Versions are integers from 1, each one more than the last, never given twice."""

    def __init__(self, store: ResourceStore, committer: Committer) -> None:
        self._store = store
        self._committer = committer

    async def register(
        self, declaration: ModelDeclaration, files: Sequence[ModelFile], upload_id: str, cause: Cause
    ) -> Resource:
        """The new version; the version it already became when this upload was registered before.

        Raises AlreadyExists when the declaration names a version that is not the next one."""
        marker = ResourceKey(REGISTRATION_KIND, declaration.name, upload_id)
        spec = ModelSpec(
            type=declaration.type,
            path=declaration.path,
            files=sorted(files, key=lambda file: file.path),
            stage=declaration.stage,
            flavors=declaration.flavors,
            upload_id=upload_id,
        )

        async def change(current: Current) -> Sequence[Draft]:
            if current[marker] is not None:
                return ()
            return _registration(current[head_key(declaration.name)], declaration, spec, marker)

        committed = await self._committer.transact((head_key(declaration.name), marker), change, cause)
        if committed:
            return committed[1]
        version = await self.registered_version(declaration.name, upload_id)
        return await self.get(declaration.name, str(version))

    async def registered_version(self, name: str, upload_id: str) -> int | None:
        """The version that this upload became; None when it is not registered."""
        marker = await self._store.read(ResourceKey(REGISTRATION_KIND, name, upload_id))
        return RegistrationSpec.model_validate(marker.spec).model_version if marker else None

    async def get(self, name: str, version: str = LATEST) -> Resource:
        """A version by number, or the newest. Raises NotFound, saying whether it is the name or the version."""
        head = await self._store.read(head_key(name)) if is_valid_name(name) else None
        if head is None:
            raise NotFound(f"there is no model {name!r}", remedy="`slipway model list` shows what there is")
        status = ModelHeadStatus.model_validate(head.status)
        wanted = str(status.latest_version) if version == LATEST else version
        found = await self._store.read(ResourceKey(KIND, name, wanted)) if wanted.isdigit() else None
        if found is None:
            remedy = f"versions go from 1 to {status.latest_version}; `{LATEST}` is the newest"
            raise NotFound(f"model {name!r} has no version {version!r}", remedy=remedy)
        return found

    async def list_models(self, *, limit: int, continuation: str | None) -> Page[Resource]:
        """The heads of all models, by name; each has the description and tags of its newest version."""
        return await self._store.list_resources(ResourceQuery(KIND, limit=limit, after=continuation))

    async def list_versions(self, name: str, *, limit: int, continuation: str | None) -> Page[Resource]:
        """The versions of a model, newest first. Raises NotFound when there is no such model."""
        page = await self._store.list_resources(
            ResourceQuery(KIND, name=name, versions="versions", limit=limit, after=continuation, descending=True)
        )
        if not page.items and continuation is None:
            await self.get(name)
        return page

    async def update(self, name: str, version: str, patch: ModelPatch, *, if_match: str, cause: Cause) -> Resource:
        """The version with other tags, description or further properties. Raises PreconditionFailed when `if_match`
        is not its ETag without quotes ("*": any), Invalid when a property would change."""
        found = await self.get(name, version)
        head = head_key(name)

        async def change(current: Current) -> Sequence[Draft]:
            now = current[found.key]
            if now is None or (if_match != "*" and if_match != (now.etag or "").strip('"')):
                raise PreconditionFailed(
                    f"{now.key if now else found.key} was changed since you read it", remedy="read it again"
                )
            return _update(now, current[head], patch)

        committed = await self._committer.transact((found.key, head), change, cause)
        return committed[0] if committed else found

    async def history(self, key: ResourceKey, *, limit: int, continuation: str | None) -> Page[HistoryRecord]:
        """Every change of one resource, oldest first."""
        query = RecordQuery(partition=key.partition, key=str(key), limit=limit, after=continuation)
        return await self._store.list_history(query)


def _registration(
    head: Resource | None, declaration: ModelDeclaration, spec: ModelSpec, marker: ResourceKey
) -> Sequence[Draft]:
    status = ModelHeadStatus.model_validate(head.status) if head else ModelHeadStatus()
    version = status.next_version
    _check_version(declaration, version)
    counted = ModelHeadStatus(next_version=version + 1, latest_version=version)
    event = types.model_registered(declaration.name, version, declaration.tags, declaration.properties)
    memory = RegistrationSpec(upload_id=spec.upload_id, model_version=version)
    plain = Draft(head_key(declaration.name), {}, description=declaration.description, tags=declaration.tags)
    return (
        replace(plain, status=counted.model_dump(mode="json")),
        replace(
            plain,
            key=version_key(declaration.name, version),
            spec=spec.model_dump(mode="json"),
            properties=declaration.properties,
            events=(event,),
        ),
        Draft(marker, spec=memory.model_dump(mode="json")),
    )


def _check_version(declaration: ModelDeclaration, next_version: int) -> None:
    asked = declaration.version
    if asked is None or str(asked) == str(next_version):
        return
    text = str(asked)
    if re.fullmatch("[0-9]{1,18}", text) and 0 < int(text) < next_version:
        raise AlreadyExists(
            f"model {declaration.name!r} has, or had, a version {asked}",
            remedy=f"leave `version` out, or make it {next_version}",
        )
    raise Invalid(
        f"version {str(asked)!r} of model {declaration.name!r} is not the next one",
        remedy=f"leave `version` out, or make it {next_version}",
    )


def _update(version: Resource, head: Resource | None, patch: ModelPatch) -> Sequence[Draft]:
    description = patch.description_or(version.description)
    tags = patch_tags(version.tags, patch.tags)
    properties = patch_properties(version.properties, patch.properties)
    if (description, tags, properties) == (version.description, version.tags, version.properties):
        return ()
    data = {"modelName": version.name, "modelVersion": int(version.version or 0), "modelTags": tags}
    event = types.EventDraft(types.MODEL_UPDATED, f"models/{version.name}:{version.version}", data)
    changed = Draft.of(version, description=description, tags=tags, properties=properties, events=(event,))
    if head is not None and str(head.status.get("latest_version")) == version.version:
        return (changed, Draft.of(head, description=description, tags=tags))
    return (changed,)
