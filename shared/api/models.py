"""REST: uploads and models."""

from __future__ import annotations

import secrets
from typing import Literal
from urllib.parse import quote

from shared.api import documents as doc
from shared.api.message import JSON, MERGE_PATCH, ApiRequest, ApiResponse, quoted_etag
from shared.api.search import model_query
from shared.bootstrap import ControlPlane
from shared.errors import Fault, Invalid, NotFound
from shared.paths import PATH_RULE, is_valid_path
from shared.ports import ResourceQuery
from shared.registry.keys import version_key
from shared.registry.models import is_version
from shared.registry.policies import POLICY_PATH
from shared.resources import upload
from shared.resources.base import Resource, ResourceKey, is_valid_name
from shared.resources.patches import ModelPatch
from shared.resources.upload import UploadPhase, UploadStatus

STAGING: Literal["staging"] = "staging"


async def create_upload(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """URLs for the files of an upload. Nothing is kept until something is registered."""
    asked = request.json(doc.UploadSessionRequest)
    _check_paths([file.path for file in asked.files], "/files/{}/path")
    upload_id = asked.upload_id or f"u-{secrets.token_hex(12)}"
    targets, expires_at = [], None
    for file in asked.files:
        signed = await plane.deps.uploads.upload_url(
            STAGING, f"{upload_id}/{file.path}", expires_in_s=plane.deps.settings.signed_url_ttl_s
        )
        expires_at = signed.expires_at
        targets.append(doc.UploadTarget(path=file.path, url=signed.url, headers=signed.headers))
    session = doc.UploadSession(upload_id=upload_id, files=targets, expires_at=expires_at)
    return ApiResponse(201, session.model_dump(mode="json"))


def _check_paths(paths: list[str], pointer: str) -> None:
    faults = [
        Fault(f"{path[:100]!r} is not accepted", pointer.format(index), allowed=PATH_RULE)
        for index, path in enumerate(paths)
        if not is_valid_path(path)
    ]
    seen: set[str] = set()
    for index, path in enumerate(paths):
        if path in seen:
            faults.append(Fault(f"{path[:100]!r} stands there twice", pointer.format(index), allowed="each path once"))
        seen.add(path)
    if faults:
        raise Invalid("the files' paths are not valid", faults=tuple(faults))


async def list_uploads(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Uploads, by id."""
    query = ResourceQuery(upload.KIND, limit=request.limit(), after=request.continuation)
    page = await plane.deps.store.list_resources(query)
    items = [doc.Upload.of(resource).model_dump(mode="json") for resource in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def get_upload(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One upload."""
    upload_id = request.route["upload_id"]
    found = await plane.deps.store.read(ResourceKey(upload.KIND, upload_id)) if is_valid_name(upload_id) else None
    if found is None:
        raise NotFound(f"there is no upload {upload_id!r}", remedy="`slipway upload list` shows what there is")
    return _upload(200, found)


def _upload(status: int, resource: Resource) -> ApiResponse:
    headers = {"ETag": quoted_etag(resource.etag)}
    if status == 202:
        headers |= {"Location": f"/api/uploads/{resource.name}", "Retry-After": "2"}
    return ApiResponse(status, doc.Upload.of(resource).model_dump(mode="json"), headers)


async def register_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Register an upload: 201 with the new version, 200 when it was registered before, 202 when files are missing."""
    asked = request.json(doc.RegisterRequest)
    _check_paths(asked.files or [], "/files/{}")
    found, known = await plane.intake.request(
        asked.upload_id,
        request.cause,
        manifest=asked.manifest,
        declaration=asked.model,
        manifest_file=asked.manifest_file,
        overrides=asked.overrides(),
        files=asked.files,
        origin=asked.origin,
    )
    status = UploadStatus.model_validate(found.status)
    if status.phase == UploadPhase.FAILED:
        raise _refusal(status)
    if status.model_name is None or status.model_version is None:
        return _upload(202, found)
    version = await plane.deps.registry.get(status.model_name, status.model_version)
    return version_answer(200 if known else 201, version)


def _refusal(status: UploadStatus) -> Invalid:
    faults = tuple(Fault(**fault) for fault in status.faults)
    why = "; ".join(condition.message for condition in status.conditions if not faults)
    by_policy = any(condition.reason == "PolicyViolated" for condition in status.conditions)
    who = f" by {POLICY_PATH}" if by_policy else ""
    return Invalid(
        f"the upload was refused{who}{': ' + why if why else ''}", faults=faults, remedy="correct it, send it again"
    )


def version_answer(status: int, version: Resource) -> ApiResponse:
    """A version, with its ETag."""
    headers = {"ETag": quoted_etag(version.etag)}
    if status == 201:
        headers["Location"] = f"/api/models/{version.name}/versions/{version.version}"
    return ApiResponse(status, doc.ModelVersion.of(version).model_dump(mode="json"), headers)


async def list_models(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Models that match, by name; each is described by its newest version."""
    page = await plane.deps.registry.list_models(model_query(request, "heads"))
    items = [doc.ModelSummary.of(resource).model_dump(mode="json") for resource in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def search_model_versions(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Versions of all models that match."""
    return await _versions(request, plane, None, "name")


async def list_model_versions(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The versions of a model that match, newest first."""
    name = _name(request)
    if not is_valid_name(name):
        await plane.deps.registry.head(name)
    return await _versions(request, plane, name, "-created")


async def _versions(request: ApiRequest, plane: ControlPlane, name: str | None, sort: str) -> ApiResponse:
    page = await plane.deps.registry.list_versions(model_query(request, "versions", name=name, sort=sort))
    items = [doc.ModelVersion.of(resource).model_dump(mode="json") for resource in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def get_model_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One version, by its name, as `latest`, or as `@LABEL`."""
    return version_answer(200, await plane.deps.registry.get(_name(request), request.route["version"]))


async def get_model(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One model: its newest version and its labels."""
    head = await plane.deps.registry.head(_name(request))
    return ApiResponse(200, doc.ModelSummary.of(head).model_dump(mode="json"))


async def update_model_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Change tags, description, stage, samples, resource configuration; add properties and data sets."""
    if_match = request.if_match()
    patch = request.json(ModelPatch, content_types=(MERGE_PATCH, JSON))
    updated = await plane.deps.registry.update(
        _name(request),
        request.route["version"],
        patch,
        if_match=if_match,
        cause=request.cause,
        accept=plane.deps.policies.check_change,
    )
    return version_answer(200, updated)


async def list_model_history(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Every change of one version, oldest first; of a deleted one, too."""
    name, version = _name(request), request.route["version"]
    try:
        key = (await plane.deps.registry.get(name, version)).key
    except NotFound:
        key = version_key(name, version)
        if not (is_valid_name(name) and is_version(version)):
            raise
    page = await plane.deps.registry.history(key, limit=request.limit(), continuation=request.continuation)
    if not page.items and request.continuation is None:
        await plane.deps.registry.get(name, version)
    items = [record.model_dump(mode="json") for record in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def download_model_file(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Where to get one file of a version: 302 to a URL that needs no key and is valid for a while."""
    version = await plane.deps.registry.get(_name(request), request.route["version"])
    found = doc.ModelVersion.of(version)
    path = request.route.get("path", "")  # the host leaves out an empty one
    file = next((f for f in found.files if f.path == path), None)
    if file is None:
        known = ", ".join(f.path for f in found.files[:20])
        raise NotFound(f"{found.id} has no file {path!r}", remedy=f"it has {known}")
    name = path.rpartition("/")[2]
    ttl_s = plane.deps.settings.signed_url_ttl_s
    signed = await plane.deps.artifacts.download_url(file.sha256, filename=name, expires_in_s=ttl_s)
    headers = {"Location": quote(signed.url, safe="/:?&=%+,;@~!$'()*#[]"), "Cache-Control": "no-store"}
    return ApiResponse(302, None, headers)


def _name(request: ApiRequest) -> str:
    return request.route["name"]
