"""REST: versions of environments, their locks and builds."""

from __future__ import annotations

import json

from shared.api.documents import environments as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.errors import BadRequest, NotFound
from shared.packaging.sbom import packages_of_lock, sbom
from shared.ports import ANY_KIND, ResourceQuery, WorkMessage
from shared.resources.base import Resource, is_valid_name
from shared.resources.build import BuildStatus
from shared.resources.environment import KIND
from shared.resources.search import reference_term

MAX_USERS = 100


async def list_environments(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Versions of environments, newest first; with `outdated=true` those that should be built again."""
    outdated = request.query.get("outdated", "false")
    if outdated not in ("true", "false", ""):
        raise BadRequest(f"outdated={outdated[:40]!r} is neither true nor false")
    if outdated == "true":
        found = [one for one in await plane.environments.active() if one.status.get("outdated")]
        return _page(found, None)
    query = ResourceQuery(
        KIND, None, "versions", sort="created", descending=True, limit=request.limit(), after=request.continuation
    )
    page = await plane.deps.store.list_resources(query)
    return _page(page.items, page.continuation)


async def check_environments(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Ask the registries what base images are now, and mark the versions that rest on others: those to build again."""
    found = await plane.base_images.check(request.cause)
    document = doc.EnvironmentCheck(
        items=[doc.EnvironmentVersion.of(one) for one in found.outdated],
        unresolved=[doc.UnresolvedImage(image=image, reason=why) for image, why in found.unresolved.items()],
    )
    return ApiResponse(200, document.model_dump(mode="json"))


async def list_environment_versions(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The versions of one environment, newest first."""
    name = request.route["name"]
    if not is_valid_name(name):
        raise NotFound(f"there is no environment {name[:80]!r}", remedy="`slipway environment list` shows all")
    query = ResourceQuery(
        KIND, name, "versions", sort="created", descending=True, limit=request.limit(), after=request.continuation
    )
    page = await plane.deps.store.list_resources(query)
    if not page.items and request.continuation is None:
        raise NotFound(f"there is no environment {name!r}", remedy="`slipway environment list` shows all")
    return _page(page.items, page.continuation)


async def get_environment_version(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One version, with its build and what uses it; `latest` is the newest that is not archived."""
    return await _shown(200, await _version(request, plane), plane)


async def get_environment_lock(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The locked requirements with hashes, as a requirements file; empty for an environment without packages."""
    text = await plane.environments.lock(await _version(request, plane))
    return ApiResponse(200, doc.EnvironmentText(text=text).model_dump(mode="json"))


async def get_environment_bill(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What is locked in it: its packages, each with its hashes (CycloneDX). What a Dockerfile of one's own installs is
    not known."""
    version = await _version(request, plane)
    packages = packages_of_lock(await plane.environments.lock(version))
    bill = json.loads(sbom(version.name, str(version.version), packages))
    return ApiResponse(200, doc.EnvironmentBill(bill=bill).model_dump(mode="json"))


async def get_environment_log(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What the builder printed so far; empty when nothing was to be built."""
    build = await plane.environments.build_of(await _version(request, plane))
    log = BuildStatus.model_validate(build.status).log if build else None
    text = await plane.environments.text(log) if log else ""
    return ApiResponse(200, doc.EnvironmentText(text=text).model_dump(mode="json"))


async def diff_environment_versions(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What differs from the version that `from` names, else from the one its pins come from, package by package."""
    after = await _version(request, plane)
    named = request.query.get("from") or str(after.status.get("locked_from") or "")
    if not named:
        raise NotFound(f"{after.key} was locked anew", remedy="?from=VERSION names the version to compare with")
    before = await plane.environments.get(after.name, named)
    changes = await plane.environments.changes(before, after)
    document = doc.EnvironmentDiff(
        before=f"{before.name}:{before.version}",
        after=f"{after.name}:{after.version}",
        is_same=before.status.get("identity") == after.status.get("identity"),
        packages=[doc.PackageChanged(name=one.name, before=one.before, after=one.after) for one in changes],
    )
    return ApiResponse(200, document.model_dump(mode="json"))


async def upgrade_environment(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Register a new version of the same definition, locked to the newest packages that fit."""
    made = await plane.environments.upgrade(request.route["name"], request.cause)
    await plane.loop.enqueue(WorkMessage(made.key))
    return await _shown(202, made, plane)


async def build_environment(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Build a version that has ended again; its lock stays."""
    version = await _version(request, plane)
    await plane.environments.again(version, request.cause)
    return await _looked_at(version, plane)


async def cancel_environment_build(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """End the build of a version, for every version of the same identity."""
    version = await _version(request, plane)
    await plane.environments.cancel(version, request.cause)
    return await _looked_at(version, plane)


async def _looked_at(version: Resource, plane: ControlPlane) -> ApiResponse:
    build = await plane.environments.build_of(version)
    for one in (build, version):
        if one is not None:
            await plane.loop.enqueue(WorkMessage(one.key))
    return await _shown(202, await plane.environments.get(version.name, str(version.version)), plane)


async def _version(request: ApiRequest, plane: ControlPlane) -> Resource:
    return await plane.environments.get(request.route["name"], request.route["version"])


async def _shown(status: int, version: Resource, plane: ControlPlane) -> ApiResponse:
    query = ResourceQuery(ANY_KIND, terms=(reference_term(str(version.key)),), limit=MAX_USERS)
    users = [str(one.key) for one in (await plane.deps.store.list_resources(query)).items]
    document = doc.EnvironmentVersion.of(version, await plane.environments.build_of(version), users)
    return ApiResponse(status, document.model_dump(mode="json"))


def _page(found: list[Resource] | tuple[Resource, ...], continuation: str | None) -> ApiResponse:
    items = [doc.EnvironmentVersion.of(one).model_dump(mode="json") for one in found]
    return ApiResponse(200, {"items": items, "continuation": continuation})
