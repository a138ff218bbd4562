"""REST of runs and of lineage."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("put_run")
@bp.route("runs/{run_id}", methods=["PUT"])
async def put_run(req: func.HttpRequest) -> func.HttpResponse:
    """Register a run."""
    return await answer("put_run", req)


@bp.function_name("get_run")
@bp.route("runs/{run_id}", methods=["GET"])
async def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """One run."""
    return await answer("get_run", req)


@bp.function_name("list_runs")
@bp.route("runs", methods=["GET"])
async def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """Runs that match."""
    return await answer("list_runs", req)


@bp.function_name("get_model_lineage")
@bp.route("models/{name}/versions/{version}/lineage", methods=["GET"])
async def get_model_lineage(req: func.HttpRequest) -> func.HttpResponse:
    """What a version came from and what came from it."""
    return await answer("get_model_lineage", req)
