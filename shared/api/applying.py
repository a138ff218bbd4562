"""REST: declared files are applied, and what they declared is listed, shown and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.api import documents as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.bootstrap import ControlPlane
from shared.errors import Fault, Invalid, NotFound
from shared.paths import PATH_RULE, is_valid_path
from shared.ports import ResourceQuery
from shared.resources.base import ResourceKey, is_valid_name
from shared.resources.declared import DECLARED_KINDS, VERSIONED_KINDS
from shared.resources.sync import SyncSpec, Trigger, counted, phase_of

if TYPE_CHECKING:
    from shared.syncing.tree import SourceTree


async def apply_files(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What became of each file; refused ones are told among the others. Every file is all or nothing."""
    from shared.syncing.record import apply_and_record

    asked = request.json(doc.ApplyRequest)
    _check(asked)
    spec = SyncSpec(
        repository=asked.provenance.source,
        trigger=Trigger.MANUAL,
        ref=asked.provenance.ref,
        commit=asked.provenance.commit,
        dry_run=asked.dry_run,
        prune=asked.prune,
        sender=request.cause.actor,
        pushed_at=plane.deps.clock.now(),
        provenance=asked.provenance,
    )
    tree = await _tree(asked, plane)
    sync_id, outcomes = await apply_and_record(tree, asked.paths, spec, plane.deps, request.cause)
    applied = doc.Applied(
        sync_id=sync_id or None, phase=phase_of(outcomes), counts=counted(outcomes), files=list(outcomes)
    )
    return ApiResponse(200, applied.model_dump(mode="json"))


def _check(asked: doc.ApplyRequest) -> None:
    paths = [(f"/files/{index}/path", file.path) for index, file in enumerate(asked.files)]
    paths += [(f"/paths/{index}", path) for index, path in enumerate(asked.paths or ())]
    faults = [
        Fault(f"{path[:100]!r} is not accepted", pointer, allowed=PATH_RULE)
        for pointer, path in paths
        if not is_valid_path(path)
    ]
    if faults:
        raise Invalid("the files' paths are not valid", faults=tuple(faults[:100]))
    if asked.prune and asked.paths is not None:
        fault = Fault("only whole folders can be pruned", "/prune", allowed="false, or `paths` left out")
        raise Invalid("single files say nothing of what is gone", faults=(fault,), remedy="apply the folder")


async def _tree(asked: doc.ApplyRequest, plane: ControlPlane) -> SourceTree:
    """The files of the request with those of its upload session; large ones are opened when they are needed."""
    from shared.syncing.blob_tree import tree_of
    from shared.syncing.tree import SourceTree

    files = {file.path: file.text.encode() for file in asked.files}
    if asked.upload_id is None:
        return SourceTree(files)
    uploads = plane.deps.uploads
    staged = await uploads.list_blobs("staging", f"{asked.upload_id}/")
    if not staged:
        raise Invalid(f"nothing was sent to {asked.upload_id}", remedy="send the files, then apply")
    tree = await tree_of("staging", staged, uploads, plane.deps.artifacts, folder=asked.upload_id)
    return replace(tree, files={**tree.files, **files})


async def list_declared(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Resources of a kind, by name; of assets the heads, which name their newest version."""
    kind = _kind(request)
    query = ResourceQuery(kind, limit=request.limit(), after=request.continuation)
    page = await plane.deps.store.list_resources(query)
    items = [doc.DeclaredResource.of(resource).model_dump(mode="json") for resource in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def get_declared(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One resource; of an asset the version that `?version=` names, else the newest."""
    key = await _key(request, plane)
    found = await plane.deps.store.read(key)
    if found is None:
        raise NotFound(f"there is no {key}", remedy=f"`slipway get {key.kind}` shows what there is")
    return ApiResponse(200, doc.DeclaredResource.of(found).model_dump(mode="json"))


async def delete_declared(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Delete a resource, or the version of an asset, that nothing refers to."""
    from shared.syncing import removal

    key = await _key(request, plane)
    if await plane.deps.store.read(key) is None:
        raise NotFound(f"there is no {key}", remedy=f"`slipway get {key.kind}` shows what there is")
    await removal.delete_declared(key, plane.deps, request.cause)
    return ApiResponse(204)


def _kind(request: ApiRequest) -> str:
    kind = request.route["kind"]
    if kind not in DECLARED_KINDS:
        raise NotFound(f"{kind[:80]!r} is not a kind of declared resource", remedy=f"use {', '.join(DECLARED_KINDS)}")
    return kind


async def _key(request: ApiRequest, plane: ControlPlane) -> ResourceKey:
    kind, name, version = _kind(request), request.route["name"], request.query.get("version")
    if not all(is_valid_name(part) for part in (name, *([version] if version else ()))):
        raise NotFound(f"there is no {kind} {name[:80]!r}", remedy=f"`slipway get {kind}` shows what there is")
    if kind not in VERSIONED_KINDS:
        return ResourceKey(kind, name)
    if not version:
        head = await plane.deps.store.read(ResourceKey(kind, name))
        version = str(head.status.get("latest_version") or "") if head else ""
    if not version:
        raise NotFound(f"there is no {kind} {name!r}", remedy=f"`slipway get {kind}` shows what there is")
    return ResourceKey(kind, name, version)
