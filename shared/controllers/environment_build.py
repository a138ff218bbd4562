"""The controller of environments' builds: lets the builder work on one identity."""

from __future__ import annotations

from shared.controllers.builds import LOOK_S, ended, stalled_phase, with_progress
from shared.controllers.environment_decision import BuildLimits, BuildStep, decide_build
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.ports import BuildRequest
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.build import BUILD_TERMINAL, BuildPhase, BuildStatus
from shared.resources.environment_build import EnvironmentBuildSpec


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the builder or a store is not available."""
    spec = EnvironmentBuildSpec.model_validate(resource.spec)
    status = BuildStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    timeout_s = deps.settings.environment_build_timeout_s
    match decide_build(status, BuildLimits(deps.clock.now(), timeout_s)):
        case BuildStep.REST:
            return Outcome(status)
        case BuildStep.BEGIN:
            status.phase, status.started_at, status.run_id = BuildPhase.BUILDING, deps.clock.now(), ""
            return Outcome(status, unfinished=True, look_again_after_s=0)
        case BuildStep.CANCEL:
            await deps.environments.cancel(resource.name, status.run_id)
            return Outcome(ended(status, BuildPhase.CANCELED, "Canceled", "somebody canceled the build", deps))
        case BuildStep.TIME_OUT:
            await deps.environments.cancel(resource.name, status.run_id)
            return Outcome(ended(status, BuildPhase.FAILED, "TimedOut", f"it took longer than {timeout_s:.0f} s", deps))
        case BuildStep.ADVANCE:
            request = BuildRequest(spec.recipe, deps.artifacts.read, timeout_s)
            progress = await deps.environments.advance(request, status.run_id)
            status = await with_progress(status, progress, deps)
            under_way = status.phase not in BUILD_TERMINAL
            return Outcome(status, unfinished=under_way, look_again_after_s=LOOK_S if under_way else None)


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The build as if nobody had begun it."""
    status = BuildStatus().model_dump(mode="json")
    return resource.model_copy(update={"status": status, "unfinished": True})


def subject(key: ResourceKey) -> str:
    """As in its key."""
    return f"environment-builds/{key.name}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
