"""REST of data assets."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("list_data")
@bp.route("data", methods=["GET"])
async def list_data(req: func.HttpRequest) -> func.HttpResponse:
    """Versions of data assets, newest first."""
    return await answer("list_data", req)


@bp.function_name("list_data_versions")
@bp.route("data/{name}/versions", methods=["GET"])
async def list_data_versions(req: func.HttpRequest) -> func.HttpResponse:
    """The versions of one data asset."""
    return await answer("list_data_versions", req)


@bp.function_name("get_data_version")
@bp.route("data/{name}/versions/{version}", methods=["GET"])
async def get_data_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version."""
    return await answer("get_data_version", req)


@bp.function_name("get_data_profile")
@bp.route("data/{name}/versions/{version}/profile", methods=["GET"])
async def get_data_profile(req: func.HttpRequest) -> func.HttpResponse:
    """The profile of one version."""
    return await answer("get_data_profile", req)


@bp.function_name("profile_data_version")
@bp.route("data/{name}/versions/{version}/profile", methods=["POST"])
async def profile_data_version(req: func.HttpRequest) -> func.HttpResponse:
    """Read a version's rows again."""
    return await answer("profile_data_version", req)
