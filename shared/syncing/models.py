"""Declared models: registered as an upload is, from the files of the tree; or by an upload, when they are elsewhere."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shared.commit import Current, Draft
from shared.errors import AlreadyExists, Invalid, NotFound
from shared.paths import is_remote
from shared.ports import wake
from shared.registry.adoption import check_age
from shared.registry.completion import completed_by_files
from shared.registry.keys import head_key, tombstone_key, version_key
from shared.registry.policies import POLICY_PATH, Candidate
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.model import ModelDeclaration, ModelHeadStatus, Origin
from shared.resources.patches import ModelPatch
from shared.resources.sync import FileOutcome, FileResult, Provenance
from shared.resources.upload import KIND as UPLOAD
from shared.resources.upload import UploadPhase, UploadSpec
from shared.syncing.content import described, files_named
from shared.syncing.loading import DeclaredFile
from shared.syncing.model_plan import DEFINITION, AskedModel, SeenModel, decide_model
from shared.syncing.plan import Create, Keep, Refuse, Step, Update
from shared.syncing.tree import SourceTree
from shared.syncing.world import World


class ModelApplier:
    """Makes declared models so."""

    def __init__(self, tree: SourceTree, provenance: Provenance, world: World, cause: Cause) -> None:
        self._tree = tree
        self._provenance = provenance
        self._world = world
        self._cause = cause

    async def apply(self, file: DeclaredFile, *, dry_run: bool) -> tuple[FileOutcome, Step]:
        """What became of the file. Raises what the registry raises."""
        asked = await self._asked(file)
        seen = await self._seen(file.name, asked.version)
        step = decide_model(asked, seen)
        if isinstance(step, Create):
            await self._check_policy(asked)
            return await self._create(file, asked, seen, step, dry_run=dry_run), step
        if isinstance(step, Update) and not dry_run:
            await self._update(file.name, asked.declaration, step)
        result = {Update: FileResult.UPDATED, Keep: FileResult.UNCHANGED, Refuse: FileResult.REFUSED}[type(step)]
        version = step.version if isinstance(step, Update | Keep) else file.version
        changes = list(step.changes) if isinstance(step, Update | Refuse) else []
        return file.outcome(result, version=version, changes=changes), step

    async def _asked(self, file: DeclaredFile) -> AskedModel:
        declaration = file.declared.declaration
        assert isinstance(declaration, ModelDeclaration)
        if is_remote(declaration.path):
            return AskedModel(declaration, (), file.version)
        (target,) = file.locals
        folder = posixpath.dirname(file.path)
        inside = posixpath.relpath(target or ".", folder or ".")
        if inside == ".." or inside.startswith("../"):  # beside the manifest's folder: it is relative to its own then
            folder = posixpath.dirname(target)
            inside = posixpath.basename(target) or "."
        paths = files_named(self._tree, (target,), without=(file.path,))
        if not paths:
            fault = file.source.fault("/path", f"there are no files in {declaration.path!r}")
            raise Invalid(f"{file.path} names a folder without files", faults=(fault,))
        files = await described(self._tree, paths, folder, None)
        normal = declaration.model_copy(update={"path": inside})
        return AskedModel(normal, tuple(files), file.version, tuple(paths), folder)

    async def _seen(self, name: str, version: str | None) -> SeenModel:
        store = self._world.store
        head = await store.read(head_key(name))
        status = ModelHeadStatus.model_validate(head.status) if head else ModelHeadStatus()
        latest = await store.read(version_key(name, status.latest_version)) if status.latest_version else None
        same = await store.read(version_key(name, version)) if version else None
        gone = bool(version and same is None and await store.read(tombstone_key(name, version)))
        return SeenModel(status.next_version, latest, same, gone)

    async def _check_policy(self, asked: AskedModel) -> None:
        if not asked.files:
            return  # the upload checks it, when the sizes are known
        sizes = {file.path: file.size_bytes for file in asked.files}
        faults = await self._world.policies.check(Candidate.of(asked.declaration, sizes, actor=self._cause.actor))
        if faults:
            raise Invalid(f"refused by {POLICY_PATH}", faults=faults, remedy="keep to the policy")

    async def _create(
        self, file: DeclaredFile, asked: AskedModel, seen: SeenModel, step: Create, *, dry_run: bool
    ) -> FileOutcome:
        changes = list(step.changes)
        if dry_run:
            version = step.version if asked.files or asked.version else None
            return file.outcome(FileResult.CREATED, version=version, changes=changes)
        # The same each time until a version of it exists: after a crash, and for two who apply at once.
        latest = str(seen.latest.version) if seen.latest else ""
        identity = json.dumps([asked.definition, asked.version, latest, seen.next_version if asked.files else 0])
        upload_id = "g-" + hashlib.sha256(identity.encode()).hexdigest()[:24]
        declaration = self._with_provenance(file, asked)
        if not asked.files:
            return await self._by_upload(file, declaration, upload_id)
        version = await self._register(file, asked, declaration, upload_id)
        return file.outcome(FileResult.CREATED, version=version, changes=changes)

    def _with_provenance(self, file: DeclaredFile, asked: AskedModel) -> ModelDeclaration:
        own = {**self._provenance.properties(file.path, file.line), DEFINITION: asked.definition}
        declared = asked.declaration.properties
        return asked.declaration.model_copy(update={"properties": {**declared, **own}})

    async def _register(
        self, file: DeclaredFile, asked: AskedModel, declaration: ModelDeclaration, upload_id: str
    ) -> str:
        world = self._world
        begun = world.clock.now()
        stored = await described(self._tree, asked.paths, asked.folder, world.artifacts)
        completed, files = await completed_by_files(
            declaration, stored, world.artifacts, max_bytes=world.settings.model_source_max_bytes
        )
        check_age(begun, world.clock.now(), world.settings.artifact_retention_s)
        version = await world.registry.register(completed, files, upload_id, self._cause, origin=self._origin(file))
        return str(version.version)

    def _origin(self, file: DeclaredFile) -> Origin | None:
        if self._provenance.repository_url is None:
            return None
        commit = f"@{self._provenance.commit}" if self._provenance.commit else ""
        return Origin(system="git", id=f"{self._provenance.repository_url}{commit}#{file.path}"[:2048])

    async def _by_upload(self, file: DeclaredFile, declaration: ModelDeclaration, upload_id: str) -> FileOutcome:
        """The upload that brings the files; it is made once."""
        key = ResourceKey(UPLOAD, upload_id)
        world = self._world
        deadline = world.clock.now() + timedelta(seconds=world.settings.manifest_deadline_s)
        spec = UploadSpec(
            container="staging",
            directory=upload_id,
            manifest_file=posixpath.basename(file.path),
            declaration=declaration.model_dump(mode="json", by_alias=True, exclude_none=True),
            deadline=deadline,
        )

        async def change(current: Current) -> Sequence[Draft]:
            if current[key] is not None:
                return ()
            status = {"phase": UploadPhase.PENDING, "model_name": file.name}
            return (Draft(key, spec.model_dump(mode="json"), status, unfinished=True),)

        if await world.committer.transact((key,), change, self._cause):
            await wake(world.queue, key)
            return file.outcome(FileResult.CREATED, f"its files are being brought: see upload {upload_id}")
        found = await world.store.read(key)
        if found is None:
            raise NotFound(f"there is no upload {upload_id}")
        return _of_upload(file, found)

    async def _update(self, name: str, declaration: ModelDeclaration, step: Update) -> None:
        pointers = {change.pointer.split("/")[1] for change in step.changes}
        names = pointers & {"stage", "sample_input", "sample_output", "resource_configuration", "description"}
        fields: dict[str, Any] = {field: getattr(declaration, field) for field in names}
        if "tags" in pointers:
            fields["tags"] = declaration.tags
        if "datasets" in pointers:
            fields["add_datasets"] = declaration.datasets
        if "properties" in pointers:
            fields["properties"] = declaration.properties
        version = str(step.version)
        if fields:
            patch = ModelPatch.model_validate(fields)
            accept = self._world.policies.check_change
            await self._world.registry.update(name, version, patch, if_match="*", cause=self._cause, accept=accept)
        if "archived" in pointers:
            await self._world.lifecycle.set_archived(name, version, False, self._cause)


def _of_upload(file: DeclaredFile, upload: Resource) -> FileOutcome:
    if upload.status.get("phase") == UploadPhase.FAILED:
        faults = upload.status.get("faults") or []
        reason = f"its files could not be brought: see upload {upload.name}"
        return file.outcome(FileResult.REFUSED, reason, faults=faults)
    if upload.status.get("phase") == UploadPhase.COMPLETED:
        raise AlreadyExists(
            f"{upload.status.get('model_name')}:{upload.status.get('model_version')} was made of this, and is archived "
            "or deleted",
            remedy="restore it, or declare something else",
        )
    return file.outcome(FileResult.UNCHANGED, f"its files are being brought: see upload {upload.name}")
