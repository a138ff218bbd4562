"""REST of images of models."""

import azure.functions as func

from functions import answer

bp = func.Blueprint()


@bp.function_name("package_model")
@bp.route("models/{name}/versions/{version}/package", methods=["POST"])
async def package_model(req: func.HttpRequest) -> func.HttpResponse:
    """Package a version as an image."""
    return await answer("package_model", req)


@bp.function_name("list_images")
@bp.route("images", methods=["GET"])
async def list_images(req: func.HttpRequest) -> func.HttpResponse:
    """Images, newest first."""
    return await answer("list_images", req)


@bp.function_name("get_image")
@bp.route("images/{image_id}", methods=["GET"])
async def get_image(req: func.HttpRequest) -> func.HttpResponse:
    """One image."""
    return await answer("get_image", req)


@bp.function_name("get_image_log")
@bp.route("images/{image_id}/log", methods=["GET"])
async def get_image_log(req: func.HttpRequest) -> func.HttpResponse:
    """What its builder printed."""
    return await answer("get_image_log", req)


@bp.function_name("get_image_bill")
@bp.route("images/{image_id}/bill", methods=["GET"])
async def get_image_bill(req: func.HttpRequest) -> func.HttpResponse:
    """What is in it."""
    return await answer("get_image_bill", req)


@bp.function_name("cancel_image")
@bp.route("images/{image_id}/cancel", methods=["POST"])
async def cancel_image(req: func.HttpRequest) -> func.HttpResponse:
    """End its packaging."""
    return await answer("cancel_image", req)


@bp.function_name("delete_image")
@bp.route("images/{image_id}", methods=["DELETE"])
async def delete_image(req: func.HttpRequest) -> func.HttpResponse:
    """Forget it."""
    return await answer("delete_image", req)
