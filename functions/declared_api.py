"""REST of declared files and of what they declared."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("apply_files")
@bp.route("apply", methods=["POST"])
async def apply_files(req: func.HttpRequest) -> func.HttpResponse:
    """Make what declared files say so."""
    return await answer("apply_files", req)


@bp.function_name("list_declared")
@bp.route("resources/{kind}", methods=["GET"])
async def list_declared(req: func.HttpRequest) -> func.HttpResponse:
    """Resources of a kind."""
    return await answer("list_declared", req)


@bp.function_name("get_declared")
@bp.route("resources/{kind}/{name}", methods=["GET"])
async def get_declared(req: func.HttpRequest) -> func.HttpResponse:
    """One resource."""
    return await answer("get_declared", req)


@bp.function_name("delete_declared")
@bp.route("resources/{kind}/{name}", methods=["DELETE"])
async def delete_declared(req: func.HttpRequest) -> func.HttpResponse:
    """Delete a resource that nothing refers to."""
    return await answer("delete_declared", req)
