"""The way back: an endpoint's traffic as it was before its newest change, or the end of the rollout that changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.deployments.live_traffic import deployment_names, shifted
from shared.deployments.rollouts import Rollouts
from shared.deployments.traffic import with_traffic
from shared.errors import Fault, Invalid, NotFound
from shared.ports import ResourceQuery, WorkQueue, wake
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.declared import deployment_name
from shared.resources.endpoint_status import OnlineDeploymentStatus, OnlineEndpointStatus, ProvisioningState
from shared.resources.online_deployment import KIND as DEPLOYMENT
from shared.resources.online_endpoint import KIND as ENDPOINT
from shared.resources.rollout import KIND as ROLLOUT
from shared.resources.rollout import TERMINAL, RolloutPhase, RolloutRequest, RolloutSpec

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


class Rollback:
    """Takes changes of traffic back."""

    def __init__(self, store: TransactionalStore, committer: Committer, queue: WorkQueue, rollouts: Rollouts) -> None:
        self._store = store
        self._committer = committer
        self._queue = queue
        self._rollouts = rollouts

    async def endpoint(self, name: str, cause: Cause) -> Resource:
        """The endpoint on its way back: its rollouts that are under way are aborted; without one, it gets the traffic
        from before the newest change, and doing so twice is the way on again. Raises NotFound, and Invalid when
        there is nothing to go back to."""
        running = await self._under_way(name)
        for rollout in running:
            if rollout.status.get("phase") != RolloutPhase.ROLLING_BACK:
                await self._rollouts.ask(rollout.name, RolloutRequest.ABORT, cause)
            await wake(self._queue, rollout.key)
        if not running:
            await self._give_back(name, cause, "")
        await wake(self._queue, ResourceKey(ENDPOINT, name))
        return await self._read(ResourceKey(ENDPOINT, name))

    async def rollout(self, name: str, cause: Cause) -> Resource:
        """The rollout, aborted while it is under way; what one that has ended changed is taken back. Raises NotFound,
        and Invalid for one that changed nothing, or whose traffic was changed since."""
        rollout = await self._rollouts.get(name)
        phase, spec = rollout.status.get("phase"), RolloutSpec.model_validate(rollout.spec)
        if phase not in TERMINAL:
            if phase != RolloutPhase.ROLLING_BACK:
                rollout = await self._rollouts.ask(name, RolloutRequest.ABORT, cause)
            await wake(self._queue, rollout.key)
            return rollout
        if phase not in (RolloutPhase.SUCCEEDED, RolloutPhase.FAILED):
            raise Invalid(f"the rollout {name} is {phase}: the stable deployment has its traffic already")
        await self._give_back(spec.endpoint_name, cause, name)
        await wake(self._queue, ResourceKey(ENDPOINT, spec.endpoint_name))
        return rollout

    async def _under_way(self, endpoint: str) -> list[Resource]:
        found: list[Resource] = []
        after: str | None = None
        while True:
            query = ResourceQuery(ROLLOUT, unfinished_before=FOREVER, limit=500, after=after)
            page = await self._store.list_resources(query)
            found += [one for one in page.items if one.spec["endpoint_name"] == endpoint]
            after = page.continuation
            if after is None:
                return found

    async def _give_back(self, endpoint: str, cause: Cause, rollout: str) -> None:
        """Set the traffic from before; with a rollout, only while its change is the newest one."""
        key = ResourceKey(ENDPOINT, endpoint)
        unfit = await self._unfit(endpoint)

        async def change(current: Current) -> Sequence[Draft]:
            found = current[key]
            if found is None:
                raise NotFound(f"there is no endpoint {endpoint[:80]!r}", remedy="`slipway endpoint list` shows all")
            after = _restored(endpoint, OnlineEndpointStatus.model_validate(found.status), unfit, rollout)
            events = (shifted(endpoint, after, "RolledBack"),)
            return (Draft.of(found, status=after.model_dump(mode="json"), unfinished=True, events=events),)

        await self._committer.transact((key,), change, cause)

    async def _unfit(self, endpoint: str) -> dict[str, str]:
        """Every deployment, with why it can't take requests; "" when it can."""
        found = {}
        for name in await deployment_names(endpoint, self._store):
            one = await self._store.read(ResourceKey(DEPLOYMENT, deployment_name(endpoint, name)))
            if one is not None:
                status = OnlineDeploymentStatus.model_validate(one.status)
                found[name] = "has failed" if status.phase == ProvisioningState.FAILED else ""
        return found

    async def _read(self, key: ResourceKey) -> Resource:
        found = await self._store.read(key)
        if found is None:
            raise NotFound(f"there is no endpoint {key.name[:80]!r}", remedy="`slipway endpoint list` shows all")
        return found


def _restored(
    endpoint: str, status: OnlineEndpointStatus, unfit: Mapping[str, str], rollout: str
) -> OnlineEndpointStatus:
    """The status with the traffic from before. Raises Invalid when there is none, or it can't be so any more."""
    before, remedy = status.traffic_before, "`slipway endpoint traffic` sets any"
    if before is None or (rollout and status.traffic_by != rollout):
        what = f"since {rollout}, others changed its traffic" if rollout else "it had no other traffic before"
        raise Invalid(f"{endpoint}: {what}", remedy=remedy)
    faults = tuple(
        Fault(f"{one} {unfit.get(one, 'was deleted')}", f"/traffic/{one}", allowed="deployments that run")
        for one, share in before.traffic.items()
        if share and unfit.get(one, "was deleted")
    )
    if faults:
        raise Invalid("the traffic from before can't be so", faults=faults, remedy="declare what is missing")
    traffic = {one: before.traffic.get(one, 0) for one in unfit}
    mirror = {one: share for one, share in before.mirror_traffic.items() if one in unfit}
    after = with_traffic(status, traffic, mirror, before.sticky_header, "")
    if after is status:
        raise Invalid(f"{endpoint}: its traffic is as it was before", remedy=remedy)
    return after
