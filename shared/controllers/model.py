"""The controller of model versions: has their files looked into, and finishes deletions that were begun."""

from __future__ import annotations

from typing import Any

from shared.controllers.outcome import Controller, Deps, Outcome
from shared.errors import DeletionRequired
from shared.events import types
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.inspection import ModelInspection
from shared.resources.model import ModelPhase, ModelSpec, ModelVersionStatus


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the stores are not available."""
    status = ModelVersionStatus.model_validate(resource.status)
    if status.phase == ModelPhase.DELETING:
        return await _delete(resource, status, deps, cause)
    if status.phase == ModelPhase.READY:
        return Outcome(status)
    return await _inspect(resource, status, deps)


async def _delete(resource: Resource, status: ModelVersionStatus, deps: Deps, cause: Cause) -> Outcome:
    """Goes on with a deletion that was interrupted. When it is done there is nothing left to write to."""
    try:
        await deps.lifecycle.finish_deletion(resource.name, str(resource.version), cause)
    except DeletionRequired:  # the mark was taken away: the version stays, and is looked at again if it needs to be
        return Outcome(status, unfinished=True, look_again_after_s=1.0)
    return Outcome(status)


async def _inspect(resource: Resource, status: ModelVersionStatus, deps: Deps) -> Outcome:
    from shared.inspection.inspect import inspect_model

    settings = deps.settings
    found = await inspect_model(
        ModelSpec.model_validate(resource.spec).files,
        deps.artifacts,
        max_file_bytes=settings.inspect_max_bytes,
        timeout_s=settings.inspect_timeout_s,
    )
    status.inspection = found
    status.phase = ModelPhase.READY
    status.observed_generation = resource.generation
    status.conditions = with_condition(status.conditions, _safe(found, deps))
    event = types.model_event(types.MODEL_INSPECTED, resource.name, str(resource.version), **_payload(found))
    return Outcome(status, (event,))


def _safe(found: ModelInspection, deps: Deps) -> Condition:
    flagged = [one for one in found.pickles if one.severity != "safe"]
    invalid = [one for one in found.onnx if not one.valid]
    reason, message = "NothingFound", "nothing suspicious was found"
    if flagged:
        reason = "PickleFlagged"
        message = "; ".join(f"{one.path} is {one.severity}" for one in flagged[:10])
    elif invalid:
        reason, message = "OnnxInvalid", "; ".join(f"{one.path}: {one.problem}" for one in invalid[:10])
    elif not found.complete:
        reason, message = "NotAllLookedInto", "; ".join(f"{one.path}: {one.reason}" for one in found.skipped[:10])
    status = ConditionStatus.FALSE if flagged or invalid else ConditionStatus.TRUE
    if reason == "NotAllLookedInto":
        status = ConditionStatus.UNKNOWN
    return Condition(
        type="FilesAccepted", status=status, reason=reason, message=message, last_transition_time=deps.clock.now()
    )


def _payload(found: ModelInspection) -> dict[str, Any]:
    return {
        "complete": found.complete,
        "onnx": [{"path": one.path, "valid": one.valid} for one in found.onnx[:20]],
        "pickles": [{"path": one.path, "severity": one.severity} for one in found.pickles[:20]],
    }


def stalled_phase(phase: str) -> str:
    """The phase it is in: a version is no worse for files that could not be looked into."""
    return phase


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The version as one to look into again."""
    return resource.model_copy(update={"unfinished": True})


def subject(key: ResourceKey) -> str:
    """As in Azure ML's ModelRegistered."""
    return f"models/{key.name}:{key.version}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
