"""The controller of uploads: looks at the manifest and the files, and takes the next step towards a model version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from shared.controllers.outcome import Controller, Deps, Outcome
from shared.controllers.upload_decision import (
    Clean,
    Fail,
    Fetch,
    Observation,
    Register,
    Registered,
    Step,
    Store,
    Supersede,
    Wait,
    decide,
)
from shared.controllers.upload_files import fetched
from shared.declarations.manifest import MANIFEST_NAMES, read_manifest
from shared.errors import Fault, SlipwayError
from shared.events import types
from shared.paths import is_under
from shared.ports import BlobInfo
from shared.registry.adoption import adopted, check_age
from shared.registry.completion import completed_by_files
from shared.registry.policies import POLICY_PATH, Candidate
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, with_condition
from shared.resources.model import ModelDeclaration, ModelFile
from shared.resources.upload import TERMINAL, TRANSITIONS, ConsumedBlob, UploadPhase, UploadSpec, UploadStatus
from shared.sources.uris import without_query

MAX_FAULTS = 100
FETCH_AFTER_S = 0.05  # the look that fetches comes from the work queue: a request does not wait for it


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the stores are not available."""
    spec = UploadSpec.model_validate(resource.spec)
    status = UploadStatus.model_validate(resource.status)
    seen = await _observe(resource.name, spec, deps)
    if seen.manifest.declaration is not None:
        status.model_name = seen.manifest.declaration.name
    status.observed_generation = resource.generation
    step = decide(status, spec, seen, deps.settings.upload_settle_s)
    return await _Steps(resource.name, spec, status, deps, cause).take(step)


async def _observe(upload_id: str, spec: UploadSpec, deps: Deps) -> Observation:
    manifest = read_manifest(spec)
    version = None
    if manifest.declaration is not None:
        version = await deps.registry.registered_version(manifest.declaration.name, upload_id)
    prefix = f"{spec.directory}/" if spec.directory else ""
    blobs: dict[str, BlobInfo] = {}
    present = spec.manifest_etag is None
    if version is None and manifest.declaration is not None:
        found = await deps.uploads.list_blobs(spec.container, prefix)
        blobs = {blob.path.removeprefix(prefix): blob for blob in found}
        if spec.manifest_etag is not None:
            blobs = _without_others(blobs)
            own = [blobs.pop(name, None) for name in MANIFEST_NAMES][MANIFEST_NAMES.index(spec.manifest_file)]
            present = own is not None and own.etag == spec.manifest_etag
    return Observation(deps.clock.now(), manifest, version, present, blobs)


def _without_others(blobs: dict[str, BlobInfo]) -> dict[str, BlobInfo]:
    """The blobs but for those in folders below that have a manifest of their own: they belong to that upload."""
    folders = {path.rpartition("/")[0] for path in blobs if path.rpartition("/")[2] in MANIFEST_NAMES} - {""}
    return {path: blob for path, blob in blobs.items() if not any(is_under(path, folder) for folder in folders)}


class _Steps:
    """Takes the step that was decided and says what is so then."""

    def __init__(self, upload_id: str, spec: UploadSpec, status: UploadStatus, deps: Deps, cause: Cause) -> None:
        self.upload_id = upload_id
        self.spec = spec
        self.status = status
        self.deps = deps
        self.cause = cause

    async def take(self, step: Step) -> Outcome:
        match step:
            case Store():
                return await self._store(step)
            case Fetch():
                return await self._fetch(step)
            case Register(declaration):
                return await self._register(self._completed(declaration))
            case Registered(version):
                return await self._registered(version)
            case Clean():
                return await self._clean()
            case Wait(missing, look_again_after_s):
                return self._wait(missing, look_again_after_s)
            case Fail(faults, missing):
                return self._fail(faults, missing)
            case Supersede():
                return self._end(UploadPhase.SUPERSEDED, "ManifestReplaced", "the manifest was replaced or removed")

    async def _store(self, step: Store) -> Outcome:
        """Stores every file; one that is replaced or taken away meanwhile is waited for. What dropped files were taken
        is committed before the version is, so that after a crash exactly those are deleted. Staged files have no
        owner who might put new ones in their place: they need no such step."""
        sizes = {path: blob.size_bytes for path, blob in step.files.items()}
        if refused := await self._refused(step.declaration, sizes):
            return refused
        begun = self.deps.clock.now()
        files, gone = await adopted(self.deps.artifacts, self.spec.container, step.files)
        if gone is not None:
            return self._wait((gone,), 1.0)
        self.status.consumed = [ConsumedBlob(path=b.path, etag=b.etag) for b in step.files.values()]
        if failed := await self._look_into(step.declaration, files):
            return failed
        check_age(begun, self.deps.clock.now(), self.deps.settings.artifact_retention_s)
        if self.spec.container == "staging":
            return await self._register(self._completed(step.declaration))
        if self.spec.manifest_etag is not None:
            self.status.consumed.append(ConsumedBlob(path=self._manifest_path, etag=self.spec.manifest_etag))
        self.status.missing = []
        return self._outcome(UploadPhase.REGISTERING, "FilesStored", "the files are stored", look_again_after_s=0)

    async def _fetch(self, step: Fetch) -> Outcome:
        place = without_query(step.declaration.path)
        if not step.now:
            message = f"the files are brought from {place}"
            return self._outcome(UploadPhase.FETCHING, "Fetching", message, look_again_after_s=FETCH_AFTER_S)
        begun = self.deps.clock.now()
        try:
            declaration, files, origin = await fetched(step.declaration, self.deps)
        except SlipwayError as error:
            if error.http_status >= 500 and error.http_status != 501:
                raise
            return self._fail(_faults(error, self.spec.manifest_file))
        if refused := await self._refused(declaration, {file.path: file.size_bytes for file in files}):
            return refused
        self.status.origin = origin
        if failed := await self._look_into(declaration, files):
            return failed
        check_age(begun, self.deps.clock.now(), self.deps.settings.artifact_retention_s)
        return self._outcome(UploadPhase.REGISTERING, "FilesStored", "the files are stored", look_again_after_s=0)

    async def _look_into(self, declaration: ModelDeclaration, files: list[ModelFile]) -> Outcome | None:
        """Unpacks what is to be unpacked and completes the declaration by what the files say; the outcome when they
        are not what it says they are."""
        try:
            completed, self.status.files = await completed_by_files(
                declaration, files, self.deps.artifacts, max_bytes=self.deps.settings.model_source_max_bytes
            )
        except SlipwayError as error:
            if error.http_status >= 500:
                raise
            return self._fail(_faults(error, self.spec.manifest_file))
        self.status.declaration = completed.model_dump(mode="json", by_alias=True)
        return None

    def _completed(self, declaration: ModelDeclaration) -> ModelDeclaration:
        return ModelDeclaration.model_validate(self.status.declaration) if self.status.declaration else declaration

    async def _refused(self, declaration: ModelDeclaration, sizes: Mapping[str, int]) -> Outcome | None:
        """The outcome when the team's policy does not accept the model; None when it does."""
        candidate = Candidate.of(declaration, sizes, actor=self.cause.actor)
        faults = await self.deps.policies.check(candidate)
        if not faults:
            return None
        self.status.faults = [fault.as_dict() for fault in faults[:MAX_FAULTS]]
        message = f"refused by {POLICY_PATH}: {'; '.join(str(fault) for fault in faults[:10])}"
        return self._outcome(UploadPhase.FAILED, "PolicyViolated", message, types.MODEL_REFUSED)

    async def _register(self, declaration: ModelDeclaration) -> Outcome:
        files = self.status.files
        try:
            version = await self.deps.registry.register(
                declaration, files, self.upload_id, self.cause, origin=self.status.origin or self.spec.origin
            )
        except SlipwayError as error:
            if error.http_status >= 500:
                raise
            return self._fail(_faults(error, self.spec.manifest_file))
        return await self._registered(str(version.version))

    async def _registered(self, version: str) -> Outcome:
        self.status.model_version = version
        self.status.missing = []
        self.status.faults = []
        message = f"registered as {self.status.model_name}:{version}"
        if self.spec.container == "uploads":  # removed once the event is out: see reactions
            return self._outcome(
                UploadPhase.REGISTERED, "Registered", message, types.UPLOAD_REGISTERED, look_again_after_s=60.0
            )
        await self._delete_consumed()
        return self._outcome(UploadPhase.COMPLETED, "Registered", message)

    async def _clean(self) -> Outcome:
        await self._delete_consumed()
        message = f"registered as {self.status.model_name}:{self.status.model_version}, the upload folder is clean"
        return self._outcome(UploadPhase.COMPLETED, "Cleaned", message)

    async def _delete_consumed(self) -> None:
        for blob in self.status.consumed:
            await self.deps.uploads.delete_blob(self.spec.container, blob.path, etag=blob.etag)

    def _wait(self, missing: tuple[str, ...], look_again_after_s: float) -> Outcome:
        known = self.status.phase == UploadPhase.WAITING_FOR_FILES
        self.status.missing = list(missing)
        message = f"waiting for {', '.join(missing)}" if missing else "waiting until the folder is quiet"
        event = None if known else types.UPLOAD_WAITING
        return self._outcome(
            UploadPhase.WAITING_FOR_FILES,
            "FilesMissing" if missing else "Settling",
            f"{message}, until {self.spec.deadline:%Y-%m-%d %H:%M:%S} UTC",
            event,
            look_again_after_s=look_again_after_s,
        )

    def _fail(self, faults: tuple[Fault, ...] = (), missing: tuple[str, ...] = ()) -> Outcome:
        if len(faults) > MAX_FAULTS + 1:  # a commit takes 2 MB, an event 1 MB
            more = Fault(f"and {len(faults) - MAX_FAULTS} more faults", file=self.spec.manifest_file)
            faults = (*faults[:MAX_FAULTS], more)
        self.status.faults = [fault.as_dict() for fault in faults]
        self.status.missing = list(missing)
        if missing:
            return self._end(UploadPhase.FAILED, "DeadlineExceeded", f"did not come in time: {', '.join(missing)}")
        message = "; ".join(str(fault) for fault in faults)
        return self._end(UploadPhase.FAILED, "Refused", message)

    def _end(self, phase: UploadPhase, reason: str, message: str) -> Outcome:
        event = types.UPLOAD_FAILED if phase == UploadPhase.FAILED else types.UPLOAD_SUPERSEDED
        return self._outcome(phase, reason, message, event)

    def _outcome(
        self,
        phase: UploadPhase,
        reason: str,
        message: str,
        event: str | None = None,
        *,
        look_again_after_s: float | None = None,
    ) -> Outcome:
        done = phase in (UploadPhase.REGISTERED, UploadPhase.COMPLETED)
        condition = Condition(
            type="Registered",
            status=ConditionStatus.TRUE if done else ConditionStatus.FALSE,
            reason=reason,
            message=message,
            last_transition_time=self.deps.clock.now(),
        )
        self.status.phase = phase
        self.status.conditions = with_condition(self.status.conditions, condition)
        events = (
            (types.EventDraft(event, f"uploads/{self.upload_id}", self._payload(reason, message)),) if event else ()
        )
        return Outcome(self.status, events, phase not in TERMINAL, look_again_after_s)

    def _payload(self, reason: str, message: str) -> dict[str, Any]:
        return {
            "uploadId": self.upload_id,
            "phase": self.status.phase,
            "reason": reason,
            "message": message,
            "manifest": self._manifest_path,
            "modelName": self.status.model_name,
            "modelVersion": types.event_version(self.status.model_version) if self.status.model_version else None,
            "missing": self.status.missing,
            "faults": self.status.faults,
        }

    @property
    def _manifest_path(self) -> str:
        return f"{self.spec.directory}/{self.spec.manifest_file}" if self.spec.directory else self.spec.manifest_file


def _faults(error: SlipwayError, file: str) -> tuple[Fault, ...]:
    return error.faults or (Fault(f"{error.message}; {error.remedy}" if error.remedy else error.message, file=file),)


def stalled_phase(phase: str) -> str:
    """Failed, but for an upload that is registered: that stays true even if its files can't be removed."""
    return UploadPhase.FAILED if UploadPhase.FAILED in TRANSITIONS[UploadPhase(phase)] else phase


def redriven(resource: Resource, deps: Deps) -> Resource:
    """A failed upload as if it had just arrived: pending, with a new deadline; any other goes on where it was."""
    if resource.status.get("phase") != UploadPhase.FAILED:
        return resource.model_copy(update={"unfinished": True})
    deadline = deps.clock.now() + timedelta(seconds=deps.settings.manifest_deadline_s)
    spec = UploadSpec.model_validate(resource.spec).model_copy(update={"deadline": deadline})
    status = UploadStatus.model_validate(resource.status).model_copy(update={"phase": UploadPhase.PENDING})
    return resource.model_copy(
        update={"spec": spec.model_dump(mode="json"), "status": status.model_dump(mode="json"), "unfinished": True}
    )


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject=lambda key: f"uploads/{key.name}")
