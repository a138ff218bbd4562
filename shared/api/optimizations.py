"""REST: optimisations of models."""

from __future__ import annotations

from shared.api.documents import optimizations as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import looked_at, newest_first
from shared.bootstrap import ControlPlane
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
        variants=asked.variants,
        register_as=asked.register_as,
    )
    return await looked_at(made, plane, "optimizations", doc.Optimization.of)


async def list_optimizations(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Optimisations, newest first."""
    return await newest_first(request, plane, KIND, doc.Optimization.of)


async def get_optimization(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One optimisation: its variants, which is the best, and the proof."""
    found = await plane.optimizations.get(request.route["optimization_id"])
    return ApiResponse(200, doc.Optimization.of(found).model_dump(mode="json"))


async def cancel_optimization(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """End an optimisation."""
    found = await plane.optimizations.get(request.route["optimization_id"])
    canceled = await plane.optimizations.cancel(found, request.cause)
    return await looked_at(canceled, plane, "optimizations", doc.Optimization.of)
