"""REST: deliveries of git hosts, and syncs."""

from __future__ import annotations

from shared.api import documents as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import newest_first
from shared.bootstrap import ControlPlane
from shared.errors import NotFound
from shared.resources.base import ResourceKey, is_valid_name
from shared.resources.sync import KIND


async def receive_delivery(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """A signed delivery of a git host: 202 when it asks for a sync, which is queued, 200 when it asks for none."""
    received = await plane.git_intake.deliver(request.route["provider"], request.headers, request.body, request.cause)
    document = doc.DeliveryReceived(sync_id=received.sync_id, message=received.message)
    return ApiResponse(202 if received.sync_id else 200, document.model_dump(mode="json"))


async def start_sync(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Queue a sync of what a branch of a configured repository holds now."""
    asked = request.json(doc.SyncRequest)
    made = await plane.git_intake.run(asked.repository, asked.branch, dry_run=asked.dry_run, cause=request.cause)
    headers = {"Location": f"/api/syncs/{made.name}", "Retry-After": "1"}
    return ApiResponse(202, doc.Sync.of(made).model_dump(mode="json"), headers)


async def list_syncs(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Syncs, newest first."""
    return await newest_first(request, plane, KIND, doc.Sync.of)


async def get_sync(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One sync, and what became of each file."""
    sync_id = request.route["sync_id"]
    found = await plane.deps.store.read(ResourceKey(KIND, sync_id)) if is_valid_name(sync_id) else None
    if found is None:
        raise NotFound(f"there is no sync {sync_id[:80]!r}", remedy="`slipway sync list` shows what there is")
    return ApiResponse(200, doc.Sync.of(found).model_dump(mode="json"))
