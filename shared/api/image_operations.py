"""The REST operations of images."""

from __future__ import annotations

from shared.api import images as handlers
from shared.api.documents import images as doc
from shared.api.operation import BODY_ERRORS, PAGING, Operation

IMAGES = (
    Operation(
        "package_model",
        "POST",
        "models/{name}/versions/{version}/package",
        handlers.package_model,
        {200: doc.Image, 202: doc.Image},
        (*BODY_ERRORS, 404),
        doc.PackageRequest,
    ),
    Operation("list_images", "GET", "images", handlers.list_images, {200: doc.ImagePage}, (400, 422), query=PAGING),
    Operation("get_image", "GET", "images/{image_id}", handlers.get_image, {200: doc.Image}, (404,)),
    Operation("get_image_log", "GET", "images/{image_id}/log", handlers.get_image_log, {200: doc.ImageLog}, (404,)),
    Operation("get_image_bill", "GET", "images/{image_id}/bill", handlers.get_image_bill, {200: doc.ImageBill}, (404,)),
    Operation("delete_image", "DELETE", "images/{image_id}", handlers.delete_image, {204: None}, (404, 409, 422)),
    Operation("cancel_image", "POST", "images/{image_id}/cancel", handlers.cancel_image, {202: doc.Image}, (404, 422)),
)
