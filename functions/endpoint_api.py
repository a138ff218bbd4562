"""REST of online endpoints and rollouts."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("list_endpoints")
@bp.route("endpoints", methods=["GET"])
async def list_endpoints(req: func.HttpRequest) -> func.HttpResponse:
    """Online endpoints."""
    return await answer("list_endpoints", req)


@bp.function_name("get_endpoint")
@bp.route("endpoints/{name}", methods=["GET"])
async def get_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """One endpoint with its deployments."""
    return await answer("get_endpoint", req)


@bp.function_name("patch_endpoint_traffic")
@bp.route("endpoints/{name}/traffic", methods=["PATCH"])
async def patch_endpoint_traffic(req: func.HttpRequest) -> func.HttpResponse:
    """Change live traffic."""
    return await answer("patch_endpoint_traffic", req)


@bp.function_name("rollback_endpoint")
@bp.route("endpoints/{name}/rollback", methods=["POST"])
async def rollback_endpoint(req: func.HttpRequest) -> func.HttpResponse:
    """Give the traffic back to what had it before."""
    return await answer("rollback_endpoint", req)


@bp.function_name("get_endpoint_credentials")
@bp.route("endpoints/{name}/credentials", methods=["POST"])
async def get_endpoint_credentials(req: func.HttpRequest) -> func.HttpResponse:
    """An endpoint's keys, or a token."""
    return await answer("get_endpoint_credentials", req)


@bp.function_name("regenerate_endpoint_key")
@bp.route("endpoints/{name}/regenerate-key", methods=["POST"])
async def regenerate_endpoint_key(req: func.HttpRequest) -> func.HttpResponse:
    """Make a key anew."""
    return await answer("regenerate_endpoint_key", req)


@bp.function_name("get_endpoint_plan")
@bp.route("endpoints/{name}/plan", methods=["GET"])
async def get_endpoint_plan(req: func.HttpRequest) -> func.HttpResponse:
    """What its target would apply."""
    return await answer("get_endpoint_plan", req)


@bp.function_name("get_deployment_logs")
@bp.route("endpoints/{name}/deployments/{deployment}/logs", methods=["GET"])
async def get_deployment_logs(req: func.HttpRequest) -> func.HttpResponse:
    """A deployment's last lines."""
    return await answer("get_deployment_logs", req)


@bp.function_name("start_rollout")
@bp.route("rollouts", methods=["POST"])
async def start_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Begin a rollout."""
    return await answer("start_rollout", req)


@bp.function_name("list_rollouts")
@bp.route("rollouts", methods=["GET"])
async def list_rollouts(req: func.HttpRequest) -> func.HttpResponse:
    """Rollouts, newest first."""
    return await answer("list_rollouts", req)


@bp.function_name("get_rollout")
@bp.route("rollouts/{name}", methods=["GET"])
async def get_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """One rollout."""
    return await answer("get_rollout", req)


@bp.function_name("pause_rollout")
@bp.route("rollouts/{name}/pause", methods=["POST"])
async def pause_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Hold a rollout."""
    return await answer("pause_rollout", req)


@bp.function_name("resume_rollout")
@bp.route("rollouts/{name}/resume", methods=["POST"])
async def resume_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Let a rollout go on."""
    return await answer("resume_rollout", req)


@bp.function_name("approve_rollout")
@bp.route("rollouts/{name}/approve", methods=["POST"])
async def approve_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Let it take its next step."""
    return await answer("approve_rollout", req)


@bp.function_name("abort_rollout")
@bp.route("rollouts/{name}/abort", methods=["POST"])
async def abort_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Give the traffic back."""
    return await answer("abort_rollout", req)


@bp.function_name("undo_rollout")
@bp.route("rollouts/{name}/undo", methods=["POST"])
async def undo_rollout(req: func.HttpRequest) -> func.HttpResponse:
    """Take back what a rollout changed."""
    return await answer("undo_rollout", req)
