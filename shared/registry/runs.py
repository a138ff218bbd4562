"""The registry of runs: what made a model, and the files that models are made of without copying a byte."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.commit import Committer, Current, Draft
from shared.errors import Fault, Invalid, NotFound
from shared.ports import ArtifactStore, BlobInfo, Clock, Page, ResourceQuery, ResourceStore, UploadArea
from shared.registry.adoption import adopted, check_age
from shared.registry.run_changes import draft_of
from shared.registry.run_uris import RunPath, run_path
from shared.resources.base import NAME_RULE, Cause, Resource, ResourceKey, is_valid_name
from shared.resources.model import ModelDeclaration, ModelFile, Origin
from shared.resources.run import KIND, RunDeclaration, RunSpec

STAGING: Literal["staging"] = "staging"
SHOWN_PATHS = 20


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Files of a run, as a model takes them."""

    run: RunSpec
    files: tuple[ModelFile, ...]  # their paths begin with the last part of the path that was asked for
    path: str  # that last part; "." for all files of the run
    origin: Origin


class Runs:
    """Runs by their id. A run is never deleted: models say that they came from it."""

    def __init__(
        self,
        store: ResourceStore,
        committer: Committer,
        uploads: UploadArea,
        artifacts: ArtifactStore,
        clock: Clock,
        *,
        retention_s: float,
    ) -> None:
        self._store = store
        self._committer = committer
        self._uploads = uploads
        self._artifacts = artifacts
        self._clock = clock
        self._retention_s = retention_s

    async def register(self, run_id: str, asked: RunDeclaration, cause: Cause) -> tuple[Resource, bool]:
        """The run, and whether it is new. Asking the same again changes nothing.

        Raises Invalid for an id that is none, for files that were not sent, and for what may not change: the content of
        a file, a property, how a run ended."""
        key = _key(run_id)
        begun = self._clock.now()
        blobs = await self._sent(asked, await self._store.read(key))
        files, gone = await adopted(self._artifacts, STAGING, blobs)
        if gone is not None:
            raise _not_sent(asked, [gone])
        created = False

        async def change(current: Current) -> Sequence[Draft]:
            nonlocal created
            created = current[key] is None
            check_age(begun, self._clock.now(), self._retention_s)
            draft = draft_of(key, asked, files, current[key])
            return () if draft is None else (draft,)

        committed = await self._committer.transact((key,), change, cause)
        for blob in blobs.values():
            await self._uploads.delete_blob(STAGING, blob.path, etag=blob.etag)
        return (committed[0], created) if committed else (await self.get(run_id), False)

    async def _sent(self, asked: RunDeclaration, before: Resource | None) -> Mapping[str, BlobInfo]:
        """path -> blob of what the upload session holds; {} without one, and when the run took its files already."""
        taken = RunSpec.model_validate(before.spec).upload_ids if before else []
        if asked.upload_id is None or asked.upload_id in taken:
            return {}
        prefix = f"{asked.upload_id}/"
        found = {blob.path.removeprefix(prefix): blob for blob in await self._uploads.list_blobs(STAGING, prefix)}
        if missing := [path for path in asked.files or () if path not in found]:
            raise _not_sent(asked, missing)
        if not found:
            raise Invalid(f"nothing was sent to the upload {asked.upload_id}", remedy="send its files, then try again")
        return found if asked.files is None else {path: found[path] for path in asked.files}

    async def get(self, run_id: str) -> Resource:
        """A run. Raises NotFound."""
        found = await self._store.read(_key(run_id)) if is_valid_name(run_id) else None
        if found is None:
            raise NotFound(f"there is no run {run_id[:80]!r}", remedy="`slipway run list` shows what there is")
        return found

    async def list(self, query: ResourceQuery) -> Page[Resource]:
        """A page of runs."""
        return await self._store.list_resources(query)

    async def files_of(self, uri: str) -> RunFiles:
        """The files that `runs:/RUN_ID/PATH` or `azureml://jobs/RUN_ID/outputs/artifacts/paths/PATH` names. Raises
        Invalid for another URI, NotFound when there is no such run, or nothing at the path, saying what there is."""
        asked = run_path(uri)
        run = RunSpec.model_validate((await self.get(asked.run_id)).spec)
        found = [file for file in run.files if asked.holds(file.path)]
        if not found:
            raise _nothing_there(asked, run)
        files = tuple(file.model_copy(update={"path": asked.relative(file.path)}) for file in found)
        name = posixpath.basename(asked.path) or "."
        return RunFiles(run, files, name, Origin(system="run", id=str(asked)))


def made_by(declaration: ModelDeclaration, found: RunFiles) -> ModelDeclaration:
    """The declaration of a model made of a run's files: the run, its experiment and the data sets it read are filled in
    where it does not say them itself."""
    run = found.run
    said = {"path": found.path, "run_id": declaration.run_id or run.run_id}
    if said["run_id"] != run.run_id:
        return declaration.model_copy(update=said)
    experiment = declaration.experiment_name or run.experiment_name
    datasets = declaration.datasets or run.inputs
    return declaration.model_copy(update={**said, "experiment_name": experiment, "datasets": datasets})


def _key(run_id: str) -> ResourceKey:
    if not is_valid_name(run_id):
        fault = Fault(f"{run_id[:80]!r} is not a run's id", "/run_id", allowed=NAME_RULE)
        raise Invalid("the run's id is not accepted", faults=(fault,))
    return ResourceKey(KIND, run_id)


def _not_sent(asked: RunDeclaration, missing: Sequence[str]) -> Invalid:
    faults = tuple(Fault(f"{path!r} was not sent, or is being sent again", "/files") for path in missing)
    return Invalid(f"files of the upload {asked.upload_id} are missing", faults=faults, remedy="send them, try again")


def _nothing_there(asked: RunPath, run: RunSpec) -> NotFound:
    there = ", ".join(file.path for file in run.files[:SHOWN_PATHS]) or "no files"
    more = f" and {len(run.files) - SHOWN_PATHS} more" if len(run.files) > SHOWN_PATHS else ""
    return NotFound(f"run {run.run_id!r} has nothing at {asked.path!r}", remedy=f"it has {there}{more}")
