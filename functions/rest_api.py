"""REST: one function for each operation of shared/api/operations.py; GET /api/openapi.json describes them."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("openapi")
@bp.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def openapi(req: func.HttpRequest) -> func.HttpResponse:
    """The OpenAPI document."""
    import json

    from shared.api.openapi import openapi as document

    return func.HttpResponse(json.dumps(document()), mimetype="application/json")


@bp.function_name("health")
@bp.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Whether the control plane can work."""
    return await answer("health", req)


@bp.function_name("create_upload")
@bp.route("uploads", methods=["POST"])
async def create_upload(req: func.HttpRequest) -> func.HttpResponse:
    """URLs for the files of an upload."""
    return await answer("create_upload", req)


@bp.function_name("list_uploads")
@bp.route("uploads", methods=["GET"])
async def list_uploads(req: func.HttpRequest) -> func.HttpResponse:
    """Uploads, and what they wait for."""
    return await answer("list_uploads", req)


@bp.function_name("get_upload")
@bp.route("uploads/{upload_id}", methods=["GET"])
async def get_upload(req: func.HttpRequest) -> func.HttpResponse:
    """One upload."""
    return await answer("get_upload", req)


@bp.function_name("register_model")
@bp.route("models", methods=["POST"])
async def register_model(req: func.HttpRequest) -> func.HttpResponse:
    """Register an upload as the next version of a model."""
    return await answer("register_model", req)


@bp.function_name("list_models")
@bp.route("models", methods=["GET"])
async def list_models(req: func.HttpRequest) -> func.HttpResponse:
    """All models."""
    return await answer("list_models", req)


@bp.function_name("list_model_versions")
@bp.route("models/{name}/versions", methods=["GET"])
async def list_model_versions(req: func.HttpRequest) -> func.HttpResponse:
    """The versions of a model."""
    return await answer("list_model_versions", req)


@bp.function_name("get_model_version")
@bp.route("models/{name}/versions/{version}", methods=["GET"])
async def get_model_version(req: func.HttpRequest) -> func.HttpResponse:
    """One version."""
    return await answer("get_model_version", req)


@bp.function_name("update_model_version")
@bp.route("models/{name}/versions/{version}", methods=["PATCH"])
async def update_model_version(req: func.HttpRequest) -> func.HttpResponse:
    """Change tags and description."""
    return await answer("update_model_version", req)


@bp.function_name("list_model_history")
@bp.route("models/{name}/versions/{version}/history", methods=["GET"])
async def list_model_history(req: func.HttpRequest) -> func.HttpResponse:
    """Every change of a version."""
    return await answer("list_model_history", req)


@bp.function_name("download_model_file")
@bp.route("models/{name}/versions/{version}/files/{*path}", methods=["GET"])
async def download_model_file(req: func.HttpRequest) -> func.HttpResponse:
    """Where to get a file of a version."""
    return await answer("download_model_file", req)


@bp.function_name("list_events")
@bp.route("events", methods=["GET"])
async def list_events(req: func.HttpRequest) -> func.HttpResponse:
    """Published events."""
    return await answer("list_events", req)


@bp.function_name("list_subscriptions")
@bp.route("subscriptions", methods=["GET"])
async def list_subscriptions(req: func.HttpRequest) -> func.HttpResponse:
    """Subscriptions to events."""
    return await answer("list_subscriptions", req)


@bp.function_name("put_subscription")
@bp.route("subscriptions/{name}", methods=["PUT"])
async def put_subscription(req: func.HttpRequest) -> func.HttpResponse:
    """Create or replace a subscription."""
    return await answer("put_subscription", req)


@bp.function_name("delete_subscription")
@bp.route("subscriptions/{name}", methods=["DELETE"])
async def delete_subscription(req: func.HttpRequest) -> func.HttpResponse:
    """Delete a subscription."""
    return await answer("delete_subscription", req)


@bp.function_name("list_resource_history")
@bp.route("resources/{kind}/{name}/history", methods=["GET"])
async def list_resource_history(req: func.HttpRequest) -> func.HttpResponse:
    """Every change of a resource."""
    return await answer("list_resource_history", req)


@bp.function_name("reconcile_resource")
@bp.route("resources/{kind}/{name}/reconcile", methods=["POST"])
async def reconcile_resource(req: func.HttpRequest) -> func.HttpResponse:
    """Look at a resource again."""
    return await answer("reconcile_resource", req)
