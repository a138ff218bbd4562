"""What the REST operations of long work have in common: listing it, and answering that it is under way."""

from __future__ import annotations

from collections.abc import Callable

from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.ports import ResourceQuery, WorkMessage
from shared.resources.base import Document, Resource

Shown = Callable[[Resource], Document]


async def newest_first(
    request: ApiRequest, plane: ControlPlane, kind: str, shown: Shown, terms: tuple[str, ...] = ()
) -> ApiResponse:
    """A page of the resources of a kind that have all of the terms, newest first; an empty one where there are none."""
    query = ResourceQuery(
        kind, terms=terms, sort="created", descending=True, limit=request.limit(), after=request.continuation
    )
    page = await plane.deps.store.list_resources(query)
    items = [shown(one).model_dump(mode="json") for one in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def looked_at(work: Resource, plane: ControlPlane, path: str, shown: Shown) -> ApiResponse:
    """202 with where to look again; its controller is asked for a look."""
    await plane.loop.enqueue(WorkMessage(work.key))
    headers = {"Location": f"/api/{path}/{work.name}", "Retry-After": "1"}
    return ApiResponse(202, shown(work).model_dump(mode="json"), headers)
