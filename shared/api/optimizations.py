"""REST: optimisations of models."""

from __future__ import annotations

from shared.api.documents import optimizations as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.controllers.loop import WorkMessage
from shared.ports import ResourceQuery
from shared.resources.base import Resource
from shared.resources.optimization_job import KIND


async def optimize_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Begin the optimisation of a version."""
    asked = request.json(doc.OptimizationRequested)
    made = await plane.optimizations.ask(
        (request.route["name"], request.route["version"]),
        (asked.sample, asked.sample_name),
        request.cause,
        source_kind=asked.source_kind,
        framework_version=asked.framework_version,
        tolerances=asked.tolerances,
        register_as=asked.register_as,
    )
    return await _looked_at(made, plane)


async def list_optimizations(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Optimisations, newest first."""
    query = ResourceQuery(KIND, sort="created", descending=True, limit=request.limit(), after=request.continuation)
    page = await plane.deps.store.list_resources(query)
    items = [doc.Optimization.of(one).model_dump(mode="json") for one in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def get_optimization(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One optimisation: its variants, which is the best, and the proof."""
    found = await plane.optimizations.get(request.route["optimization_id"])
    return ApiResponse(200, doc.Optimization.of(found).model_dump(mode="json"))


async def cancel_optimization(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """End an optimisation."""
    found = await plane.optimizations.get(request.route["optimization_id"])
    return await _looked_at(await plane.optimizations.cancel(found, request.cause), plane)


async def _looked_at(optimization: Resource, plane: ControlPlane) -> ApiResponse:
    await plane.loop.enqueue(WorkMessage(optimization.key))
    headers = {"Location": f"/api/optimizations/{optimization.name}", "Retry-After": "1"}
    return ApiResponse(202, doc.Optimization.of(optimization).model_dump(mode="json"), headers)
