"""REST of environments."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("list_environments")
@bp.route("environments", methods=["GET"])
async def list_environments(req: func.HttpRequest) -> func.HttpResponse:
    """Versions of environments."""
    return await answer("list_environments", req)


@bp.function_name("check_environments")
@bp.route("environments/outdated", methods=["POST"])
async def check_environments(req: func.HttpRequest) -> func.HttpResponse:
    """What base images are now."""
    return await answer("check_environments", req)


@bp.function_name("list_environment_versions")
@bp.route("environments/{name}/versions", methods=["GET"])
async def list_environment_versions(req: func.HttpRequest) -> func.HttpResponse:
    """The versions of one environment."""
    return await answer("list_environment_versions", req)


@bp.function_name("get_environment_version")
@bp.route("environments/{name}/versions/{version}", methods=["GET"])
async def get_environment_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version."""
    return await answer("get_environment_version", req)


@bp.function_name("get_environment_lock")
@bp.route("environments/{name}/versions/{version}/lock", methods=["GET"])
async def get_environment_lock(req: func.HttpRequest) -> func.HttpResponse:
    """Its locked requirements."""
    return await answer("get_environment_lock", req)


@bp.function_name("get_environment_bill")
@bp.route("environments/{name}/versions/{version}/bill", methods=["GET"])
async def get_environment_bill(req: func.HttpRequest) -> func.HttpResponse:
    """What is in it."""
    return await answer("get_environment_bill", req)


@bp.function_name("get_environment_log")
@bp.route("environments/{name}/versions/{version}/log", methods=["GET"])
async def get_environment_log(req: func.HttpRequest) -> func.HttpResponse:
    """What its builder printed."""
    return await answer("get_environment_log", req)


@bp.function_name("diff_environment_versions")
@bp.route("environments/{name}/versions/{version}/diff", methods=["GET"])
async def diff_environment_versions(req: func.HttpRequest) -> func.HttpResponse:
    """What differs from another version."""
    return await answer("diff_environment_versions", req)


@bp.function_name("upgrade_environment")
@bp.route("environments/{name}/upgrade", methods=["POST"])
async def upgrade_environment(req: func.HttpRequest) -> func.HttpResponse:
    """A new version with the newest packages."""
    return await answer("upgrade_environment", req)


@bp.function_name("build_environment")
@bp.route("environments/{name}/versions/{version}/build", methods=["POST"])
async def build_environment(req: func.HttpRequest) -> func.HttpResponse:
    """Build it again."""
    return await answer("build_environment", req)


@bp.function_name("cancel_environment_build")
@bp.route("environments/{name}/versions/{version}/cancel", methods=["POST"])
async def cancel_environment_build(req: func.HttpRequest) -> func.HttpResponse:
    """End its build."""
    return await answer("cancel_environment_build", req)
