"""REST of the registry's further operations: search, labels, archive, delete, policies, audit."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("get_model")
@bp.route("models/{name}", methods=["GET"])
async def get_model(req: func.HttpRequest) -> func.HttpResponse:
    """One model."""
    return await answer("get_model", req)


@bp.function_name("search_model_versions")
@bp.route("model-versions", methods=["GET"])
async def search_model_versions(req: func.HttpRequest) -> func.HttpResponse:
    """Versions of all models that match."""
    return await answer("search_model_versions", req)


@bp.function_name("delete_model_version")
@bp.route("models/{name}/versions/{version}", methods=["DELETE"])
async def delete_model_version(req: func.HttpRequest) -> func.HttpResponse:
    """Delete a version."""
    return await answer("delete_model_version", req)


@bp.function_name("archive_model_version")
@bp.route("models/{name}/versions/{version}/archive", methods=["POST"])
async def archive_model_version(req: func.HttpRequest) -> func.HttpResponse:
    """Archive a version."""
    return await answer("archive_model_version", req)


@bp.function_name("restore_model_version")
@bp.route("models/{name}/versions/{version}/restore", methods=["POST"])
async def restore_model_version(req: func.HttpRequest) -> func.HttpResponse:
    """Restore a version."""
    return await answer("restore_model_version", req)


@bp.function_name("archive_model")
@bp.route("models/{name}/archive", methods=["POST"])
async def archive_model(req: func.HttpRequest) -> func.HttpResponse:
    """Archive a model."""
    return await answer("archive_model", req)


@bp.function_name("restore_model")
@bp.route("models/{name}/restore", methods=["POST"])
async def restore_model(req: func.HttpRequest) -> func.HttpResponse:
    """Restore a model."""
    return await answer("restore_model", req)


@bp.function_name("set_model_label")
@bp.route("models/{name}/labels/{label}", methods=["PUT"])
async def set_model_label(req: func.HttpRequest) -> func.HttpResponse:
    """Let a label name a version."""
    return await answer("set_model_label", req)


@bp.function_name("remove_model_label")
@bp.route("models/{name}/labels/{label}", methods=["DELETE"])
async def remove_model_label(req: func.HttpRequest) -> func.HttpResponse:
    """Take a label away."""
    return await answer("remove_model_label", req)


@bp.function_name("get_model_policy")
@bp.route("policies/model", methods=["GET"])
async def get_model_policy(req: func.HttpRequest) -> func.HttpResponse:
    """The policy for models."""
    return await answer("get_model_policy", req)


@bp.function_name("get_automation_policy")
@bp.route("policies/automation", methods=["GET"])
async def get_automation_policy(req: func.HttpRequest) -> func.HttpResponse:
    """The policy of what is done by itself."""
    return await answer("get_automation_policy", req)


@bp.function_name("test_model_policy")
@bp.route("policies/model/test", methods=["POST"])
async def test_model_policy(req: func.HttpRequest) -> func.HttpResponse:
    """Try a policy on what is registered."""
    return await answer("test_model_policy", req)


@bp.function_name("list_audit")
@bp.route("audit", methods=["GET"])
async def list_audit(req: func.HttpRequest) -> func.HttpResponse:
    """Every change of every resource."""
    return await answer("list_audit", req)


@bp.function_name("list_audit_heads")
@bp.route("audit/heads", methods=["GET"])
async def list_audit_heads(req: func.HttpRequest) -> func.HttpResponse:
    """What each history must end with."""
    return await answer("list_audit_heads", req)


@bp.function_name("collect_garbage")
@bp.route("artifacts/collect", methods=["POST"])
async def collect_garbage(req: func.HttpRequest) -> func.HttpResponse:
    """Delete stored files that nothing refers to."""
    return await answer("collect_garbage", req)
