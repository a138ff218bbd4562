"""The controller of model versions: has their files looked into, has done with them what is to be done by itself, and
finishes deletions that were begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from shared.controllers import model_automation
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.errors import DeletionRequired
from shared.events import types
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.inspection import ModelInspection, Severity
from shared.resources.model import ModelPhase, ModelSpec, ModelVersionStatus

SEVERITIES = get_args(Severity)


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the stores are not available."""
    status = ModelVersionStatus.model_validate(resource.status)
    if status.phase == ModelPhase.DELETING:
        return await _delete(resource, status, deps, cause)
    if status.phase == ModelPhase.READY:
        if status.automation is None:
            return await model_automation.decide(resource, status, deps)
        return await model_automation.advance(resource, status, deps, cause)
    return await _inspect(resource, status, deps)


async def _delete(resource: Resource, status: ModelVersionStatus, deps: Deps, cause: Cause) -> Outcome:
    """Goes on with a deletion that was interrupted. When it is done there is nothing left to write to."""
    try:
        await deps.lifecycle.finish_deletion(resource.name, str(resource.version), cause)
    except DeletionRequired:  # the mark was taken away: the version stays, and is looked at again if it needs to be
        return Outcome(status, unfinished=True, look_again_after_s=1.0)
    return Outcome(status)


async def _inspect(resource: Resource, status: ModelVersionStatus, deps: Deps) -> Outcome:
    found = await deps.inspector.inspect(ModelSpec.model_validate(resource.spec).files, deps.artifacts)
    status.inspection = found
    status.phase = ModelPhase.READY
    status.observed_generation = resource.generation
    status.conditions = with_condition(status.conditions, _accepted(found, deps))
    event = types.model_event(types.MODEL_INSPECTED, resource.name, str(resource.version), **_payload(found))
    decided = await model_automation.decide(resource, status, deps)
    return replace(decided, events=(event,))


def _accepted(found: ModelInspection, deps: Deps) -> Condition:
    """What is worst about the files."""
    pickles = {severity: [one.path for one in found.pickles if one.severity == severity] for severity in SEVERITIES}
    invalid = [f"{one.path}: {one.problem}" for one in found.onnx if not one.valid]
    skipped = [f"{one.path}: {one.reason}" for one in found.skipped]
    for status, reason, things in (
        (ConditionStatus.FALSE, "PickleDangerous", pickles["dangerous"]),
        (ConditionStatus.FALSE, "OnnxInvalid", invalid),
        (ConditionStatus.UNKNOWN, "PickleUnreadable", pickles["unreadable"]),
        (ConditionStatus.UNKNOWN, "NotAllLookedInto", skipped),
        (ConditionStatus.UNKNOWN, "PickleUnknown", pickles["suspicious"]),
    ):
        if things:
            return _condition(status, reason, "; ".join(things[:10])[:2000], deps)
    return _condition(ConditionStatus.TRUE, "NothingFound", "nothing suspicious was found", deps)


def _condition(status: ConditionStatus, reason: str, message: str, deps: Deps) -> Condition:
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
