"""REST: versions of data assets, and their profiles."""

from __future__ import annotations

import json

from shared.api.documents import data as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.errors import NotFound
from shared.ports import ANY_KIND, ResourceQuery, WorkMessage
from shared.resources.base import Resource, is_valid_name
from shared.resources.data import KIND
from shared.resources.search import ACTIVE, reference_term

MAX_USERS = 100


async def list_data(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Versions of data assets, newest first, without archived ones."""
    return await _page(request, plane, None)


async def list_data_versions(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The versions of one data asset, newest first, without archived ones."""
    name = request.route["name"]
    missing = NotFound(f"there is no data asset {name[:80]!r}", remedy="`slipway data list` shows all")
    if not is_valid_name(name):
        raise missing
    return await _page(request, plane, name, missing)


async def get_data_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One version and what uses it; `latest` is the newest that is not archived."""
    return await _shown(200, await _version(request, plane), plane)


async def get_data_profile(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The profile of one version."""
    text = await plane.data.profile(await _version(request, plane))
    return ApiResponse(200, doc.DataProfileFound(profile=json.loads(text)).model_dump(mode="json"))


async def profile_data_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Read a version's rows again; nothing changes for one that is being read."""
    version = await plane.data.again(await _version(request, plane), request.cause)
    await plane.loop.enqueue(WorkMessage(version.key))
    return await _shown(202, version, plane)


async def _version(request: ApiRequest, plane: ControlPlane) -> Resource:
    return await plane.data.get(request.route["name"], request.route["version"])


async def _shown(status: int, version: Resource, plane: ControlPlane) -> ApiResponse:
    query = ResourceQuery(ANY_KIND, terms=(reference_term(str(version.key)),), limit=MAX_USERS)
    users = [str(one.key) for one in (await plane.deps.store.list_resources(query)).items]
    return ApiResponse(status, doc.DataVersion.of(version, users).model_dump(mode="json"))


async def _page(
    request: ApiRequest, plane: ControlPlane, name: str | None, if_empty: NotFound | None = None
) -> ApiResponse:
    query = ResourceQuery(
        KIND,
        name,
        "versions",
        terms=(ACTIVE,),
        sort="created",
        descending=True,
        limit=request.limit(),
        after=request.continuation,
    )
    page = await plane.deps.store.list_resources(query)
    if if_empty is not None and not page.items and request.continuation is None:
        raise if_empty
    items = [doc.DataVersion.of(one).model_dump(mode="json") for one in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})
