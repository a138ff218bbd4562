"""REST of optimisations."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("optimize_model")
@bp.route("models/{name}/versions/{version}/optimize", methods=["POST"])
async def optimize_model(req: func.HttpRequest) -> func.HttpResponse:
    """Begin the optimisation of a version."""
    return await answer("optimize_model", req)


@bp.function_name("list_optimizations")
@bp.route("optimizations", methods=["GET"])
async def list_optimizations(req: func.HttpRequest) -> func.HttpResponse:
    """Optimisations, newest first."""
    return await answer("list_optimizations", req)


@bp.function_name("get_optimization")
@bp.route("optimizations/{optimization_id}", methods=["GET"])
async def get_optimization(req: func.HttpRequest) -> func.HttpResponse:
    """One optimisation."""
    return await answer("get_optimization", req)


@bp.function_name("cancel_optimization")
@bp.route("optimizations/{optimization_id}/cancel", methods=["POST"])
async def cancel_optimization(req: func.HttpRequest) -> func.HttpResponse:
    """End an optimisation."""
    return await answer("cancel_optimization", req)
