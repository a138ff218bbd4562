"""REST: labels of models, archive, restore, delete."""

from __future__ import annotations

from shared.api import documents as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.models import version_answer
from shared.bootstrap import ControlPlane


async def set_model_label(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Let a label name a version; the version that had it loses it in the same step."""
    asked = request.json(doc.LabelRequest)
    version = await plane.deps.labels.set(
        request.route["name"], request.route["label"], asked.version, request.cause, expected=asked.expected_version
    )
    return version_answer(200, version)


async def remove_model_label(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Take a label away."""
    await plane.deps.labels.remove(request.route["name"], request.route["label"], request.cause)
    return ApiResponse(204)


async def archive_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Hide a model from lists. A new version of it brings it back."""
    head = await plane.deps.lifecycle.set_archived(request.route["name"], None, True, request.cause)
    return ApiResponse(200, doc.ModelSummary.of(head).model_dump(mode="json"))


async def restore_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Show an archived model in lists again."""
    head = await plane.deps.lifecycle.set_archived(request.route["name"], None, False, request.cause)
    return ApiResponse(200, doc.ModelSummary.of(head).model_dump(mode="json"))


async def archive_model_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Hide a version from lists and from `latest`; it can still be read and used."""
    return await _set_archived(request, plane, True)


async def restore_model_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Bring an archived version back."""
    return await _set_archived(request, plane, False)


async def _set_archived(request: ApiRequest, plane: ControlPlane, archived: bool) -> ApiResponse:
    version = await plane.deps.lifecycle.set_archived(
        request.route["name"], request.route["version"], archived, request.cause
    )
    return version_answer(200, version)


async def delete_model_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Delete a version; refused with DeletionRequired while anything uses it."""
    await plane.deps.lifecycle.delete(request.route["name"], request.route["version"], request.cause)
    return ApiResponse(204)
