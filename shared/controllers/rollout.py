"""The controller of rollouts: sees both deployments, lets the machine decide, sets the endpoint's traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from shared.controllers.outcome import Controller, Deps, Outcome
from shared.deployments.live_traffic import patch_traffic
from shared.events import types
from shared.ports import ObservedEndpoint
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.declared import deployment_name
from shared.resources.endpoint_status import OnlineEndpointStatus, ProvisioningState
from shared.resources.online_deployment import KIND as DEPLOYMENT
from shared.resources.online_endpoint import KIND as ENDPOINT
from shared.resources.rollout import CHECKED_BY, TERMINAL, AbTest, RolloutPhase, RolloutSpec, RolloutStatus
from shared.rollout.machine import Announce, RolloutState, SetTraffic, decide
from shared.rollout.observation import Arm, Observation
from shared.rollout.prometheus import Sample, arm_counters, distribution, gauge, read_samples
from shared.rollout.significance import Summary
from shared.rollout.strategy import Split
from shared.rollout.traffic import Traffic

LOOK_S = 1.0
VALUES_LOOK_S = 5.0  # where nothing is counted: gauges and signals change no faster, and each look is written
REPORT_S = 10.0  # how often figures are written that people may read and nothing is decided by


async def reconcile(resource: Resource, deps: Deps, cause: Cause) -> Outcome:
    """One look. Raises Retryable when a store is not available."""
    spec, status = RolloutSpec.model_validate(resource.spec), RolloutStatus.model_validate(resource.status)
    status.observed_generation = resource.generation
    if status.phase in TERMINAL:
        return Outcome(status)
    endpoint = await deps.store.read(ResourceKey(ENDPOINT, spec.endpoint_name))
    if endpoint is None:
        status.phase, status.reason = RolloutPhase.FAILED, "EndpointDeleted"
        status.message = f"the endpoint {spec.endpoint_name} was deleted"
        return Outcome(status)
    seen = await _seen(spec, status, endpoint, deps)
    decision = decide(RolloutState(spec, status), seen, deps.clock.now())
    events = []
    for command in decision.commands:
        match command:
            case SetTraffic(split):
                await _set(resource.name, spec, split, deps, cause)
            case Announce(happening, split):
                events.append(_event(happening.value, resource.name, spec, split, decision.next))
    if decision.next.phase in TERMINAL:
        return Outcome(decision.next, tuple(events))
    is_new = deps.clock.now() - resource.modified_at >= timedelta(seconds=REPORT_S)
    after = decision.next if is_new or events else worth_writing(status, decision.next)
    return Outcome(after, tuple(events), unfinished=True, look_again_after_s=_look_s(spec, after))


def worth_writing(before: RolloutStatus, after: RolloutStatus) -> RolloutStatus:
    """The status after a look, or the one before when only the figures of its checks changed."""
    same = after.model_copy(update={"results": before.results})
    verdicts = [[(one.metric, one.verdict) for one in each.results] for each in (before, after)]
    return before if same == before and verdicts[0] == verdicts[1] else after


def _look_s(spec: RolloutSpec, status: RolloutStatus) -> float:
    only_values = spec.analysis.checks and not any(one.metric in CHECKED_BY for one in spec.analysis.checks)
    return VALUES_LOOK_S if only_values and status.settled_at is not None else LOOK_S


async def _seen(spec: RolloutSpec, status: RolloutStatus, endpoint: Resource, deps: Deps) -> Observation:
    live = OnlineEndpointStatus.model_validate(endpoint.status)
    target = await deps.target.observe(spec.endpoint_name)
    samples = read_samples(await deps.target.metrics(spec.endpoint_name))
    metrics = [check.metric for check in spec.analysis.checks]
    if isinstance(spec.strategy, AbTest) and spec.strategy.outcome:
        metrics.append(spec.strategy.outcome)
    mirror = live.mirror_traffic.get(spec.candidate, 0)
    split = Split(live.traffic.get(spec.stable, 0), live.traffic.get(spec.candidate, 0), mirror, live.sticky_header)
    stable = await _arm(spec.endpoint_name, spec.stable, target, samples, metrics, deps)
    return Observation(split, stable, await _arm(spec.endpoint_name, spec.candidate, target, samples, metrics, deps))


async def _arm(
    endpoint: str,
    name: str,
    target: ObservedEndpoint | None,
    samples: tuple[Sample, ...],
    metrics: Sequence[str],
    deps: Deps,
) -> Arm:
    found = await deps.store.read(ResourceKey(DEPLOYMENT, deployment_name(endpoint, name)))
    seen = target.deployments.get(name) if target else None
    failed = found is not None and found.status.get("phase") == ProvisioningState.FAILED
    return Arm(
        ready=seen is not None and (seen.ready > 0 or seen.scaled_to_zero),
        counters=arm_counters(samples, name),
        failure=(seen.problem if seen and seen.problem else "it can't be run") if failed else "",
        exists=found is not None,
        values=_values(metrics, name, samples),
    )


def _values(metrics: Sequence[str], name: str, samples: tuple[Sample, ...]) -> Mapping[str, Summary]:
    labels = {"deployment": name}
    found = {one: distribution(samples, one, labels) or gauge(samples, one, labels) for one in metrics}
    return {metric: value for metric, value in found.items() if value is not None}


async def _set(name: str, spec: RolloutSpec, split: Split, deps: Deps, cause: Cause) -> None:
    """Only the two deployments' shares change, and the mirror of the candidate."""
    patch = Traffic({spec.stable: split.stable, spec.candidate: split.candidate}, {spec.candidate: split.mirror})
    await patch_traffic(
        spec.endpoint_name,
        patch,
        deps.store,
        deps.committer,
        deps.queue,
        cause,
        sticky_header=split.sticky_header,
        rollout=name,
    )


def _event(
    happening: str, name: str, spec: RolloutSpec, split: Split | None, status: RolloutStatus
) -> types.EventDraft:
    data = {
        "rolloutName": name,
        "endpointName": spec.endpoint_name,
        "stable": spec.stable,
        "candidate": spec.candidate,
        "traffic": {spec.stable: split.stable, spec.candidate: split.candidate} if split else None,
        "reason": status.reason or None,
    }
    return types.EventDraft(f"Slipway.{happening}", f"endpoints/{spec.endpoint_name}/rollouts/{name}", data)


def stalled_phase(phase: str) -> str:
    """The phase it is in: a rollout that could not be looked at is looked at again."""
    return phase or RolloutPhase.PENDING


def redriven(resource: Resource, deps: Deps) -> Resource:
    """The rollout as one to look at."""
    return resource.model_copy(update={"unfinished": True})


def subject(key: ResourceKey) -> str:
    """As in its key."""
    return f"rollouts/{key.name}"


CONTROLLER = Controller(reconcile, stalled_phase, redriven, subject, is_slow=True)
