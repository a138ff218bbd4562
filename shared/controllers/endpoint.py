"""The controller of online endpoints: has the target run what is declared, and looks again now and then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.controllers.curated import curated_environment
from shared.controllers.deployment_image import Waits, container_of
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.deployments.compute import compute_name
from shared.deployments.credentials import access_of
from shared.deployments.desired import desired_of, parts_of
from shared.deployments.endpoint_keys import auth_mode_of, kept_of
from shared.deployments.live_traffic import deployments_in
from shared.deployments.traffic import declared_again, effective, mirrored
from shared.errors import Invalid, NotFound, NotSupported, Permanent
from shared.ports import DesiredDeployment, DesiredEndpoint, EndpointAccess, ObservedEndpoint
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.declared import DeclaredSpec
from shared.resources.endpoint_status import OnlineDeploymentStatus, OnlineEndpointStatus, ProvisioningState
from shared.resources.environment import KIND as ENVIRONMENT
from shared.resources.environment_build import EnvironmentPhase, EnvironmentVersionStatus
from shared.resources.model import KIND as MODEL

IDLE_LOOK_S = 1.0  # while a deployment is scaled to zero: a request may wait for it
LOOK_S = 2.0  # how often a target is looked at: processes that end are started again then
SOON_S = 0.3  # while something is on its way
CURATED = "slipway/onnx-serving"  # for deployments that name no environment


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store or the target is not available."""
    status = OnlineEndpointStatus.model_validate(resource.status)
    spec = DeclaredSpec.model_validate(resource.spec)
    if status.observed_generation != resource.generation:
        status = declared_again(status, spec.declaration)
        status.phase = ProvisioningState.UPDATING
    status.observed_generation = resource.generation
    status.auth_mode = auth_mode_of(resource)
    try:
        endpoint = await desired_endpoint(resource, status, deps, cause)
        status.effective_traffic = dict(endpoint.weights)
        seen = await deps.target.ensure(endpoint)
    except Permanent as error:
        status.phase = ProvisioningState.FAILED
        status.conditions = with_condition(status.conditions, _available(False, error.code, str(error), deps))
        return Outcome(status, unfinished=True, look_again_after_s=LOOK_S * 10)
    status.scoring_uri, status.target = seen.scoring_uri, endpoint.compute or "local"
    status.phase, reason, message = _said(seen)
    status.conditions = with_condition(status.conditions, _available(seen.ready, reason, message, deps))
    return Outcome(status, unfinished=True, look_again_after_s=_look_s(endpoint.deployments, seen))


def _said(seen: ObservedEndpoint) -> tuple[ProvisioningState, str, str]:
    """What is told of an endpoint: its state, a reason and a message."""
    if seen.problem:
        return ProvisioningState.FAILED, "RouterFailed", seen.problem
    if not seen.scoring_uri:
        what = "it has no deployments yet"
    else:
        what = f"requests are taken at {seen.scoring_uri}" if seen.ready else "its router is being started"
    if seen.ready:
        return ProvisioningState.SUCCEEDED, "RouterReady", what
    return ProvisioningState.UPDATING, "RouterStarting", what


def _look_s(desired: Sequence[DesiredDeployment], seen: ObservedEndpoint) -> float:
    found = [(one, seen.deployments[one.name]) for one in desired if one.name in seen.deployments]
    if not seen.ready or not all(so.ready >= one.instances or so.scaled_to_zero for one, so in found):
        return SOON_S
    return IDLE_LOOK_S if any(so.scaled_to_zero for _, so in found) else LOOK_S


async def desired_endpoint(
    resource: Resource, status: OnlineEndpointStatus, deps: Deps, cause: Cause
) -> DesiredEndpoint:
    """What its target is to run of an endpoint: the deployments that can be run, their traffic, and who may call.
    Keys are made at the first look, and anew when they were asked for. Raises Retryable."""
    deployments = await deployments_of(resource.name, deps)
    desired = [found for one in deployments if (found := (await wanted(one, deps, cause)).desired) is not None]
    there = {one.name for one in desired}
    weights = effective(status.traffic, there)
    return DesiredEndpoint(
        resource.name,
        tuple(desired),
        weights,
        mirrored(status.mirror_traffic, weights, there),
        status.sticky_header,
        deps.artifacts.read,
        await _access(resource, deps),
        compute_name(DeclaredSpec.model_validate(resource.spec), deps.settings.default_compute),
    )


async def _access(resource: Resource, deps: Deps) -> EndpointAccess:
    """Who may call. Where no keys can be kept it names none, so that nobody is let in by one."""
    auth_mode = auth_mode_of(resource)
    try:
        kept = await kept_of(resource, deps.credentials)
    except NotSupported:
        return EndpointAccess(auth_mode)
    return access_of(resource.name, auth_mode, kept)


async def deployments_of(endpoint: str, deps: Deps) -> list[Resource]:
    """Every deployment of the endpoint."""
    return await deployments_in(endpoint, deps.store)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a deployment asks for: it can be run, it waits, or it cannot be."""

    desired: DesiredDeployment | None
    model: str = ""  # NAME:VERSION
    environment: str = ""  # NAME:VERSION
    waits_for: str = ""  # why it can't be run yet; "" when it can, or never can
    problem: str = ""  # why it can't be run


async def wanted(deployment: Resource, deps: Deps, cause: Cause) -> Wanted:
    """What the deployment asks the target to run. Raises Retryable."""
    spec = DeclaredSpec.model_validate(deployment.spec)
    name = deployment.name.partition(".")[2]
    model_name = environment_name = ""
    try:
        parts = parts_of(spec)
        model_name, environment_name = parts.model, parts.environment or await _default(deployment, deps, cause)
        model = await _read(MODEL, model_name, deps) if model_name else None
        environment = await _read(ENVIRONMENT, environment_name, deps)
        phase = EnvironmentVersionStatus.model_validate(environment.status).phase
        if phase in (EnvironmentPhase.FAILED, EnvironmentPhase.CANCELED):
            raise Invalid(f"the environment {environment_name} is {phase}", remedy="see `slipway environment show`")
        if phase != EnvironmentPhase.SUCCEEDED:
            waits = f"the environment {environment_name} is {phase}"
            return Wanted(None, model_name, environment_name, waits_for=waits)
        container = await container_of(deployment, model, environment, deps, cause)
        if isinstance(container, Waits):
            return Wanted(None, model_name, environment_name, waits_for=container.reason)
        desired = replace(desired_of(name, spec, model, environment), container=container)
        return Wanted(desired, model_name, environment_name)
    except (Invalid, NotFound) as error:
        return Wanted(None, model_name, environment_name, problem=str(error))


async def _read(kind: str, text: str, deps: Deps) -> Resource:
    name, _, version = text.partition(":")
    found = await deps.store.read(ResourceKey(kind, name, version))
    if found is None:
        raise NotFound(f"{kind} {text} was deleted", remedy="let the deployment use another one")
    return found


async def _default(deployment: Resource, deps: Deps, cause: Cause) -> str:
    """NAME:VERSION of the environment of a deployment that names none: the curated one, which is declared when it is
    used first; a deployment stays with its version until it is declared anew."""
    status = OnlineDeploymentStatus.model_validate(deployment.status)
    if status.environment and status.observed_generation == deployment.generation:
        pinned = ResourceKey(ENVIRONMENT, *status.environment.split(":", 1))
        if await deps.store.read(pinned) is not None:
            return status.environment
    return await curated_environment(CURATED, deps, cause)


def _available(is_so: bool, reason: str, message: str, deps: Deps) -> Condition:
    status = ConditionStatus.TRUE if is_so else ConditionStatus.FALSE
    return Condition(
        type="Available", status=status, reason=reason, message=message[:2000], last_transition_time=deps.clock.now()
    )


def stalled_phase(phase: str) -> str:
    """Failed."""
    return ProvisioningState.FAILED


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The endpoint as one to look at."""
    return resource.model_copy(update={"unfinished": True})


def subject(key: ResourceKey) -> str:
    """As in Azure ML's ModelDeployed."""
    return f"endpoints/{key.name}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
