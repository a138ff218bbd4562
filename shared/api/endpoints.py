"""REST: online endpoints, live traffic, logs, and rollouts."""

from __future__ import annotations

from shared.api.documents import endpoints as doc
from shared.api.documents.plans import EndpointPlan
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import newest_first
from shared.bootstrap import ControlPlane
from shared.controllers.endpoint import deployments_of, desired_endpoint
from shared.deployments.live_traffic import patch_traffic
from shared.errors import NotFound, NotSupported
from shared.ports import DeploymentPlanner, ResourceQuery, WorkMessage
from shared.resources.base import Resource, ResourceKey, is_valid_name
from shared.resources.endpoint_status import OnlineEndpointStatus
from shared.resources.online_endpoint import KIND
from shared.resources.rollout import KIND as ROLLOUT
from shared.resources.rollout import RolloutRequest
from shared.rollout.traffic import Traffic

LOG_LINES = 200


async def list_endpoints(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Online endpoints, by name."""
    page = await plane.deps.store.list_resources(ResourceQuery(KIND, limit=request.limit(), after=request.continuation))
    items = [doc.OnlineEndpoint.of(one, []).model_dump(mode="json") for one in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def get_endpoint(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One endpoint with its deployments: their state, health and share of the traffic."""
    return await _shown(200, await _endpoint(request, plane), plane)


async def patch_endpoint_traffic(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Change the shares of some deployments; those not named keep theirs, and all must sum up to 100, or 0."""
    asked = request.json(doc.TrafficPatch)
    endpoint = await _endpoint(request, plane)
    deps, patch = plane.deps, Traffic(asked.traffic, asked.mirror_traffic)
    changed = await patch_traffic(endpoint.name, patch, deps.store, deps.committer, deps.queue, request.cause)
    return await _shown(200, changed, plane)


async def rollback_endpoint(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Give the traffic back to what had it before the newest change; a rollout that is under way is aborted."""
    endpoint = await _endpoint(request, plane)
    return await _shown(202, await plane.rollback.endpoint(endpoint.name, request.cause), plane)


async def get_endpoint_credentials(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The keys that open an endpoint, or, with auth_mode aml_token, a new token for it."""
    found = await plane.endpoint_keys.get(await _endpoint(request, plane), plane.deps.clock.now())
    return ApiResponse(200, doc.EndpointAuth.of(found).model_dump(mode="json"), {"Cache-Control": "no-store"})


async def regenerate_endpoint_key(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Make one of an endpoint's two keys anew; the other stays. Its router follows within seconds."""
    asked = request.json(doc.RegenerateKey)
    await plane.endpoint_keys.regenerate(await _endpoint(request, plane), asked.key_type, request.cause)
    return await _shown(202, await _endpoint(request, plane), plane)


async def get_endpoint_plan(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What the endpoint's target would apply now, and what that would change."""
    endpoint = await _endpoint(request, plane)
    target = plane.deps.target
    if not isinstance(target, DeploymentPlanner):
        raise NotSupported("nothing is rendered by this installation's target")
    status = OnlineEndpointStatus.model_validate(endpoint.status)
    plan = await target.plan(await desired_endpoint(endpoint, status, plane.deps, request.cause))
    return ApiResponse(200, EndpointPlan.of(plan).model_dump(mode="json"))


async def get_deployment_logs(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The last lines of a deployment's instances."""
    endpoint = await _endpoint(request, plane)
    name = request.route["deployment"]
    if not is_valid_name(name):
        raise NotFound(f"there is no deployment {name[:80]!r}", remedy="`slipway endpoint show` names them")
    text = await plane.deps.target.logs(endpoint.name, name, LOG_LINES)
    return ApiResponse(200, doc.DeploymentLogs(text=text).model_dump(mode="json"))


async def start_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Begin a rollout: traffic goes from the stable deployment to the candidate, watched."""
    asked = request.json(doc.RolloutRequested)
    made = await plane.rollouts.start(asked.name, asked.spec, request.cause)
    await plane.loop.enqueue(WorkMessage(made.key))
    return ApiResponse(202, doc.Rollout.of(made).model_dump(mode="json"), {"Location": f"/api/rollouts/{made.name}"})


async def list_rollouts(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Rollouts, newest first."""
    return await newest_first(request, plane, ROLLOUT, doc.Rollout.of)


async def get_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One rollout, and how far it is."""
    found = await plane.rollouts.get(request.route["name"])
    return ApiResponse(200, doc.Rollout.of(found).model_dump(mode="json"))


async def pause_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Hold a rollout where it is."""
    return await _asked(request, plane, RolloutRequest.PAUSE)


async def resume_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Let a rollout go on."""
    return await _asked(request, plane, RolloutRequest.RESUME)


async def approve_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Let a rollout that waits for somebody's word take its next step."""
    return await _asked(request, plane, RolloutRequest.APPROVE)


async def abort_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Give the traffic back to the stable deployment."""
    return await _asked(request, plane, RolloutRequest.ABORT)


async def undo_rollout(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Abort a rollout that is under way, or take back what one that has ended changed."""
    found = await plane.rollback.rollout(request.route["name"], request.cause)
    return ApiResponse(202, doc.Rollout.of(found).model_dump(mode="json"))


async def _asked(request: ApiRequest, plane: ControlPlane, asked: RolloutRequest) -> ApiResponse:
    found = await plane.rollouts.ask(request.route["name"], asked, request.cause)
    await plane.loop.enqueue(WorkMessage(found.key))
    return ApiResponse(202, doc.Rollout.of(found).model_dump(mode="json"))


async def _endpoint(request: ApiRequest, plane: ControlPlane) -> Resource:
    name = request.route["name"]
    found = await plane.deps.store.read(ResourceKey(KIND, name)) if is_valid_name(name) else None
    if found is None:
        raise NotFound(f"there is no endpoint {name[:80]!r}", remedy="`slipway endpoint list` shows all")
    return found


async def _shown(status: int, endpoint: Resource, plane: ControlPlane) -> ApiResponse:
    deployments = await deployments_of(endpoint.name, plane.deps)
    return ApiResponse(status, doc.OnlineEndpoint.of(endpoint, deployments).model_dump(mode="json"))
