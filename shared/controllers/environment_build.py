"""The controller of environments' builds: lets the builder work on one identity."""

from __future__ import annotations

from shared.controllers.builds import stalled_phase, take_step
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.ports import BuildRequest
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.build import BuildStatus
from shared.resources.environment_build import EnvironmentBuildSpec


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when the builder or a store is not available."""
    spec = EnvironmentBuildSpec.model_validate(resource.spec)
    status = BuildStatus.model_validate(resource.status)
    timeout_s = deps.settings.environment_build_timeout_s
    request = BuildRequest(spec.recipe, deps.artifacts.read, timeout_s)
    builder = deps.environments
    return await take_step(resource, status, deps, builder, timeout_s, lambda run_id: builder.advance(request, run_id))


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The build as if nobody had begun it."""
    status = BuildStatus().model_dump(mode="json")
    return resource.model_copy(update={"status": status, "unfinished": True})


def subject(key: ResourceKey) -> str:
    """As in its key."""
    return f"environment-builds/{key.name}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
