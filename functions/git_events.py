"""Git: signed deliveries of the hosts, and the syncs that they ask for."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("receive_delivery")
@bp.route("webhooks/{provider}", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def receive_delivery(req: func.HttpRequest) -> func.HttpResponse:
    """Something happened in a repository. The delivery's signature is its credential."""
    return await answer("receive_delivery", req)


@bp.function_name("list_syncs")
@bp.route("syncs", methods=["GET"])
async def list_syncs(req: func.HttpRequest) -> func.HttpResponse:
    """Syncs, newest first."""
    return await answer("list_syncs", req)


@bp.function_name("get_sync")
@bp.route("syncs/{sync_id}", methods=["GET"])
async def get_sync(req: func.HttpRequest) -> func.HttpResponse:
    """One sync."""
    return await answer("get_sync", req)


@bp.function_name("start_sync")
@bp.route("syncs", methods=["POST"])
async def start_sync(req: func.HttpRequest) -> func.HttpResponse:
    """Sync what a branch holds now."""
    return await answer("start_sync", req)
