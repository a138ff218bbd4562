"""The controller of online deployments: says what is so of one, as its endpoint's target was seen last."""

from __future__ import annotations

from shared.controllers.endpoint import Wanted, wanted
from shared.controllers.outcome import Controller, Deps, Outcome
from shared.events import types
from shared.ports import ObservedDeployment, wake
from shared.resources.base import Cause, Condition, ConditionStatus, Resource, ResourceKey, with_condition
from shared.resources.endpoint_status import OnlineDeploymentStatus, ProvisioningState
from shared.resources.online_endpoint import KIND as ENDPOINT

LOOK_S = 2.0
SOON_S = 0.3
MAX_FAILURES = 3  # ends in a row before it is Failed; it is started again all the same


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One step. Raises Retryable when a store is not available."""
    status = OnlineDeploymentStatus.model_validate(resource.status)
    endpoint, _, name = resource.name.partition(".")
    if status.observed_generation != resource.generation:
        status.phase = ProvisioningState.UPDATING
        await wake(deps.queue, ResourceKey(ENDPOINT, endpoint))
    status.observed_generation = resource.generation
    asked = await wanted(resource, deps, cause)
    status.model, status.environment = asked.model, asked.environment
    if asked.desired is None:
        return _not_run(resource, status, asked, deps)
    status.wanted_instances = asked.desired.instances
    seen = await deps.target.observe(endpoint)
    found = seen.deployments.get(name) if seen else None
    if found is None:
        return Outcome(status, unfinished=True, look_again_after_s=SOON_S)
    return _seen(resource, status, found, deps)


def _not_run(resource: Resource, status: OnlineDeploymentStatus, asked: Wanted, deps: Deps) -> Outcome:
    status.ready_instances, status.scaled_to_zero = 0, False
    if asked.waits_for:
        _condition(status, ConditionStatus.FALSE, "EnvironmentNotReady", asked.waits_for, deps)
        return Outcome(status, unfinished=True, look_again_after_s=SOON_S)
    _condition(status, ConditionStatus.FALSE, "BadArgument", asked.problem, deps)
    return _in_phase(resource, status, ProvisioningState.FAILED, asked.problem)


def _seen(resource: Resource, status: OnlineDeploymentStatus, found: ObservedDeployment, deps: Deps) -> Outcome:
    status.ready_instances, status.restarts = found.ready, found.restarts
    status.scaled_to_zero = found.scaled_to_zero
    if found.log_tail:
        status.log_tail = list(found.log_tail)
    if found.scaled_to_zero:
        message = "nobody asks: none runs, and the next request starts it"
        _condition(status, ConditionStatus.TRUE, "ScaledToZero", message, deps)
        return _in_phase(resource, status, ProvisioningState.SUCCEEDED, "")
    if found.ready >= status.wanted_instances:
        _condition(status, ConditionStatus.TRUE, "Ready", f"{found.ready} instances are ready", deps)
        return _in_phase(resource, status, ProvisioningState.SUCCEEDED, "")
    message = found.problem or f"{found.ready} of {status.wanted_instances} instances are ready"
    _condition(status, ConditionStatus.FALSE, "ResourceNotReady", message, deps)
    if found.failures >= MAX_FAILURES:
        return _in_phase(resource, status, ProvisioningState.FAILED, message)
    return Outcome(status, unfinished=True, look_again_after_s=SOON_S)


def _in_phase(resource: Resource, status: OnlineDeploymentStatus, phase: ProvisioningState, why: str) -> Outcome:
    """The status in a phase, which is told when it is a new one."""
    events: tuple[types.EventDraft, ...] = ()
    if status.phase != phase:
        endpoint, _, name = resource.name.partition(".")
        type_ = types.MODEL_DEPLOYED if phase == ProvisioningState.SUCCEEDED else types.DEPLOYMENT_FAILED
        events = (types.deployment_event(type_, endpoint, name, status.model, resource.tags, why),)
    status.phase = phase
    return Outcome(status, events, unfinished=True, look_again_after_s=LOOK_S)


def _condition(status: OnlineDeploymentStatus, is_so: ConditionStatus, reason: str, message: str, deps: Deps) -> None:
    condition = Condition(
        type="Available", status=is_so, reason=reason, message=message[:2000], last_transition_time=deps.clock.now()
    )
    status.conditions = with_condition(status.conditions, condition)


def stalled_phase(phase: str) -> str:
    """Failed."""
    return ProvisioningState.FAILED


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The deployment as one to look at."""
    return resource.model_copy(update={"unfinished": True})


def subject(key: ResourceKey) -> str:
    """Below its endpoint."""
    endpoint, _, name = key.name.partition(".")
    return f"endpoints/{endpoint}/deployments/{name}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
