"""Changes an endpoint's live traffic: one patch at a time, which never takes away what it does not name."""

from __future__ import annotations

from collections.abc import Sequence

from shared.commit import Committer, Current, Draft, TransactionalStore
from shared.deployments.traffic import with_traffic
from shared.errors import NotFound
from shared.events import types
from shared.ports import ANY_KIND, ResourceQuery, WorkQueue, wake
from shared.resources.base import Cause, Resource, ResourceKey
from shared.resources.declared import deployment_name
from shared.resources.endpoint_status import OnlineEndpointStatus
from shared.resources.online_deployment import KIND as DEPLOYMENT
from shared.resources.online_endpoint import KIND as ENDPOINT
from shared.resources.search import reference_term
from shared.rollout.traffic import Traffic, patched

PAGE = 500


async def patch_traffic(
    endpoint: str,
    patch: Traffic,
    store: TransactionalStore,
    committer: Committer,
    queue: WorkQueue,
    cause: Cause,
    *,
    sticky_header: str | None = None,
    rollout: str = "",
) -> Resource:
    """The endpoint with its traffic patched, and the header by which callers stay with a deployment (None: as it is);
    its router follows within a second. What was before is remembered, the steps of one `rollout` as one change; what
    people change is told by an event, a rollout tells its steps itself. Raises NotFound, and Invalid with every fault
    for traffic that can't be so among the deployments there are."""
    key = ResourceKey(ENDPOINT, endpoint)
    names = await deployment_names(endpoint, store)

    async def change(current: Current) -> Sequence[Draft]:
        found = current[key]
        if found is None:
            raise NotFound(f"there is no endpoint {endpoint[:80]!r}", remedy="`slipway endpoint list` shows all")
        status = OnlineEndpointStatus.model_validate(found.status)
        known = {name: share for name, share in status.traffic.items() if name in names}
        copied = {name: share for name, share in status.mirror_traffic.items() if name in names}
        after = patched(Traffic(known, copied), patch, names)
        header = status.sticky_header if sticky_header is None else sticky_header
        changed = with_traffic(status, dict(after.weights), dict(after.mirror), header, rollout)
        if changed is status:
            return ()
        events = () if rollout else (shifted(endpoint, changed, "Patched"),)
        return (Draft.of(found, status=changed.model_dump(mode="json"), unfinished=True, events=events),)

    await committer.transact((key,), change, cause)
    await wake(queue, key)
    found = await store.read(key)
    if found is None:
        raise NotFound(f"there is no endpoint {endpoint[:80]!r}", remedy="`slipway endpoint list` shows all")
    return found


def shifted(endpoint: str, status: OnlineEndpointStatus, reason: str) -> types.EventDraft:
    """The event of traffic that somebody changed."""
    said = {"traffic": status.traffic, "mirrorTraffic": status.mirror_traffic, "reason": reason}
    return types.endpoint_event(types.TRAFFIC_SHIFTED, endpoint, **said)


async def deployment_names(endpoint: str, store: TransactionalStore) -> list[str]:
    """The names of the endpoint's deployments, sorted."""
    prefix = deployment_name(endpoint, "")
    return sorted(one.name.removeprefix(prefix) for one in await deployments_in(endpoint, store))


async def deployments_in(endpoint: str, store: TransactionalStore) -> list[Resource]:
    """Every deployment of the endpoint, by name; found by what it refers to, not among all there are."""
    terms = (reference_term(str(ResourceKey(ENDPOINT, endpoint))),)
    found: list[Resource] = []
    after: str | None = None
    while True:
        page = await store.list_resources(ResourceQuery(ANY_KIND, terms=terms, limit=PAGE, after=after))
        found += [one for one in page.items if one.kind == DEPLOYMENT]
        after = page.continuation
        if after is None:
            return found
