"""The controller of data assets: brings files that lie elsewhere, finds out how rows are read, has them read once, and
keeps what came out."""

from __future__ import annotations

import hashlib

from shared.controllers.data_files import fetched
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.datasets.layout import digest_of
from shared.datasets.versions import held, is_awaited, status_anew, table_of_version
from shared.errors import Conflict, Invalid, NotFound, NotSupported, Permanent, SlipwayError
from shared.events import types
from shared.ports import DataProfileRequest, StoredProfile
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.data_profile import DATA_TERMINAL, DATA_TRANSITIONS, DataPhase, DataTable, DataVersionStatus
from shared.resources.declared import DeclaredSpec

LOOK_S = 1.0
TAIL_LINES = 20
SHOWN_FAULTS = 5


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store is not available."""
    status = DataVersionStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in DATA_TERMINAL:
        return Outcome(status)
    if is_awaited(resource):
        return await _brought(resource, status, deps)
    spec = held(resource)
    status.digest = digest_of(spec.files)
    try:
        table = await table_of_version(spec, deps.artifacts)
    except Invalid as error:
        return _ended(status, DataPhase.UNPROFILED, deps, _reason(error))
    if status.phase in (DataPhase.PENDING, DataPhase.FETCHING):
        status.phase, status.started_at = DataPhase.PROFILING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    return await _advanced(resource, status, table, deps)


async def _brought(resource: Resource, status: DataVersionStatus, deps: Deps) -> Outcome:
    """With the files of a version that lie elsewhere; Failed where they cannot be had. Raises Retryable."""
    if status.phase == DataPhase.PENDING:
        status.phase, status.started_at = DataPhase.FETCHING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    try:
        status.fetched = await fetched(DeclaredSpec.model_validate(resource.spec), deps)
    except (Permanent, Conflict) as error:
        return _failed(resource, status, deps, _reason(error))
    return Outcome(status, unfinished=True, look_again_after_s=0)


async def _advanced(resource: Resource, status: DataVersionStatus, table: DataTable, deps: Deps) -> Outcome:
    label = f"{resource.name}:{resource.version}"
    asked = DataProfileRequest(_profile_id(resource.key), label, table, deps.artifacts.read, deps.artifacts.put)
    try:
        progress = await deps.monitor_runner.profile(asked)
    except NotSupported as error:
        return _ended(status, DataPhase.UNPROFILED, deps, _reason(error))
    except (NotFound, Invalid) as error:
        return _failed(resource, status, deps, _reason(error))
    status.run_id, status.log_tail = progress.run_id, progress.log.splitlines()[-TAIL_LINES:]
    if progress.error:
        return _failed(resource, status, deps, progress.error)
    if progress.stored is None:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    return _profiled(resource, status, progress.stored, deps)


def _profiled(resource: Resource, status: DataVersionStatus, stored: StoredProfile, deps: Deps) -> Outcome:
    status.rows = stored.profile.rows
    status.columns = {str(one["columnName"]): str(one["type"]) for one in stored.profile.columns}
    status.profile, status.sketch = stored.profile_file, stored.sketch_file
    ended = _ended(status, DataPhase.PROFILED, deps)
    told = {"rows": status.rows, "columns": len(status.columns), "digest": status.digest}
    return Outcome(ended.status, (_event(types.DATA_PROFILED, resource, **told),))


def _failed(resource: Resource, status: DataVersionStatus, deps: Deps, reason: str) -> Outcome:
    ended = _ended(status, DataPhase.FAILED, deps, reason)
    return Outcome(ended.status, (_event(types.DATA_PROFILE_FAILED, resource, reason=reason[:2000]),))


def _ended(status: DataVersionStatus, phase: DataPhase, deps: Deps, reason: str = "") -> Outcome:
    status.phase, status.finished_at, status.reason = phase, deps.clock.now(), reason
    return Outcome(status)


def _reason(error: SlipwayError) -> str:
    faults = f": {'; '.join(str(fault) for fault in error.faults[:SHOWN_FAULTS])}" if error.faults else ""
    return f"{error.message}{faults}" + (f"; {error.remedy}" if error.remedy else "")


def _event(type_: str, resource: Resource, **data: object) -> types.EventDraft:
    return types.data_event(type_, resource.name, str(resource.version), **data)


def _profile_id(key: ResourceKey) -> str:
    """Names may be longer than a file's name."""
    return f"d-{hashlib.sha256(str(key).encode()).hexdigest()[:32]}"


def stalled_phase(phase: str) -> str:
    """Failed, where that may come next."""
    now = DataPhase(phase or DataPhase.PENDING)
    return DataPhase.FAILED if DataPhase.FAILED in DATA_TRANSITIONS[now] else now


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The version as if it had just been registered."""
    return resource.model_copy(update={"status": status_anew(resource).model_dump(mode="json"), "unfinished": True})


CONTROLLER = Controller(reconcile, stalled_phase, redriven, lambda key: f"data/{key.name}:{key.version}", is_slow=True)
