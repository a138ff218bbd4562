"""The controller of profiles: lets the profiler measure, and keeps what it found with the model."""

from __future__ import annotations

from shared.controllers.outcome import Deps, Outcome, work_controller
from shared.errors import NotFound, NotSupported, Permanent
from shared.events import types
from shared.ports import ProfileProgress, ProfileRequest
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.environment import KIND as ENVIRONMENT
from shared.resources.environment_build import KIND as BUILD
from shared.resources.environment_build import EnvironmentBuildSpec, EnvironmentRecipe, EnvironmentVersionStatus
from shared.resources.patches import ModelPatch
from shared.resources.profile import PROFILE_TERMINAL, PROFILE_TRANSITIONS, ProfileResult, ProfileState
from shared.resources.profile_job import ProfileSpec, ProfileStatus

LOOK_S = 1.0
TAIL_LINES = 20


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store or the package index is not available."""
    spec, status = ProfileSpec.model_validate(resource.spec), ProfileStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in PROFILE_TERMINAL:
        return Outcome(status)
    if status.cancel_requested:
        await deps.profiler.cancel(resource.name)
        return await _ended(spec, status, ProfileResult(state=ProfileState.CANCELLED), deps, cause)
    if status.phase == ProfileState.NOT_STARTED:
        status.phase, status.started_at = ProfileState.RUNNING, deps.clock.now()
        return Outcome(status, unfinished=True, look_again_after_s=0)
    try:
        progress = await _advance(resource.name, spec, status, deps)
    except (NotSupported, NotFound) as error:
        return await _ended(spec, status, ProfileResult(state=ProfileState.FAILED, error=str(error)), deps, cause)
    status.run_id = progress.run_id
    status.log_tail = progress.log.splitlines()[-TAIL_LINES:]
    if progress.result is None:
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S)
    return await _ended(spec, status, progress.result, deps, cause)


async def _advance(profile_id: str, spec: ProfileSpec, status: ProfileStatus, deps: Deps) -> ProfileProgress:
    name, _, version = spec.environment.partition(":")
    found = await deps.store.read(ResourceKey(ENVIRONMENT, name, version))
    if found is None:
        raise NotFound(f"the environment {spec.environment} was deleted")
    environment = EnvironmentVersionStatus.model_validate(found.status)
    packages = tuple(one.partition("==")[0] for one in environment.packages)
    timeout_s = deps.settings.profile_timeout_s
    recipe = await _recipe(environment.identity, deps)
    location, read_file = environment.location, deps.artifacts.read
    request = ProfileRequest(profile_id, spec, location, packages, read_file, timeout_s, recipe)
    return await deps.profiler.advance(request, status.run_id)


async def _recipe(identity: str, deps: Deps) -> EnvironmentRecipe | None:
    built = await deps.store.read(ResourceKey(BUILD, identity)) if identity else None
    return EnvironmentBuildSpec.model_validate(built.spec).recipe if built else None


async def _ended(spec: ProfileSpec, status: ProfileStatus, result: ProfileResult, deps: Deps, cause: Cause) -> Outcome:
    status.phase, status.finished_at = result.state, deps.clock.now()
    status.result = result.model_copy(update={"name": f"{spec.model_name}:{spec.model_version}"})
    data: dict[str, object] = {"state": result.state.value, "targetRps": spec.target_rps, "p99Ms": spec.p99_ms}
    if result.recommended_cpu is None:
        event = types.model_event(
            types.MODEL_PROFILE_FAILED, spec.model_name, spec.model_version, **data, error=result.error or ""
        )
        return Outcome(status, (event,))
    data |= {"recommendedCpu": result.recommended_cpu, "recommendedMemoryInGB": result.recommended_memory_in_gb}
    await _noted(spec, result, deps, cause)
    return Outcome(status, (types.model_event(types.MODEL_PROFILED, spec.model_name, spec.model_version, **data),))


async def _noted(spec: ProfileSpec, result: ProfileResult, deps: Deps, cause: Cause) -> None:
    """The recommendation becomes the version's resource configuration, where deployments look for it. A version that
    was deleted meanwhile stays deleted."""
    needed = {"cpu": result.recommended_cpu, "memory_in_gb": result.recommended_memory_in_gb}
    patch = ModelPatch.model_validate({"resource_configuration": needed})
    try:
        await deps.registry.update(spec.model_name, spec.model_version, patch, if_match="*", cause=cause)
    except Permanent as error:
        result.notes.append(f"the version's resource configuration was not changed: {error.message}")


CONTROLLER = work_controller(reconcile, ProfileStatus, PROFILE_TRANSITIONS, ProfileState.FAILED, "profiles")
