"""REST of profiles."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("profile_model")
@bp.route("models/{name}/versions/{version}/profile", methods=["POST"])
async def profile_model(req: func.HttpRequest) -> func.HttpResponse:
    """Begin the profile of a version."""
    return await answer("profile_model", req)


@bp.function_name("list_profiles")
@bp.route("profiles", methods=["GET"])
async def list_profiles(req: func.HttpRequest) -> func.HttpResponse:
    """Profiles, newest first."""
    return await answer("list_profiles", req)


@bp.function_name("get_profile")
@bp.route("profiles/{profile_id}", methods=["GET"])
async def get_profile(req: func.HttpRequest) -> func.HttpResponse:
    """One profile."""
    return await answer("get_profile", req)


@bp.function_name("cancel_profile")
@bp.route("profiles/{profile_id}/cancel", methods=["POST"])
async def cancel_profile(req: func.HttpRequest) -> func.HttpResponse:
    """End a profile."""
    return await answer("cancel_profile", req)
