"""REST: images of models."""

from __future__ import annotations

import json

from shared.api.documents import images as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.work import newest_first
from shared.bootstrap import ControlPlane
from shared.ports import WorkMessage
from shared.resources.base import Resource
from shared.resources.image import KIND, ImageStatus


async def package_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Package a version as an image: 202, and 200 for one that is there already."""
    asked = request.json(doc.PackageRequest)
    name, _, version = asked.environment.replace("@", ":").partition(":")
    model = (request.route["name"], request.route["version"])
    image = await plane.images.package(
        model, (name, version or "latest"), asked.platforms, asked.entry_script, request.cause
    )
    return await _looked_at(image, plane) if image.unfinished else _shown(200, image)


async def list_images(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Images, newest first."""
    return await newest_first(request, plane, KIND, doc.Image.of)


async def get_image(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One image."""
    return _shown(200, await plane.images.get(request.route["image_id"]))


async def get_image_log(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What the builder printed so far."""
    log = ImageStatus.model_validate((await plane.images.get(request.route["image_id"])).status).log
    text = await plane.environments.text(log) if log else ""
    return ApiResponse(200, doc.ImageLog(text=text).model_dump(mode="json"))


async def get_image_bill(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What is in the image: its packages and the model's files, each with its hashes (CycloneDX)."""
    bill = json.loads(plane.images.bill_of(await plane.images.get(request.route["image_id"])))
    return ApiResponse(200, doc.ImageBill(bill=bill).model_dump(mode="json"))


async def cancel_image(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """End the packaging of an image."""
    image = await plane.images.get(request.route["image_id"])
    return await _looked_at(await plane.images.cancel(image, request.cause), plane)


async def delete_image(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Forget an image; its files go with the next collection."""
    await plane.images.delete(await plane.images.get(request.route["image_id"]), request.cause)
    return ApiResponse(204)


async def _looked_at(image: Resource, plane: ControlPlane) -> ApiResponse:
    await plane.loop.enqueue(WorkMessage(image.key))
    return _shown(202, image)


def _shown(status: int, image: Resource) -> ApiResponse:
    return ApiResponse(status, doc.Image.of(image).model_dump(mode="json"), {"Location": f"/api/images/{image.name}"})
