"""REST: runs, and the lineage of models."""

from __future__ import annotations

from shared.api import lineage_documents as doc
from shared.api.message import ApiRequest, ApiResponse, quoted_etag
from shared.api.search import run_query
from shared.bootstrap import ControlPlane
from shared.errors import BadRequest, NotFound
from shared.registry.keys import tombstone_key
from shared.registry.lineage import lineage
from shared.registry.models import is_version
from shared.resources.base import Resource, is_valid_name
from shared.resources.lineage import DEFAULT_DEPTH, MAX_DEPTH
from shared.resources.run import RunDeclaration


async def put_run(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Register a run with the files of an upload session: 201 when it is new, 200 when it was there."""
    asked = request.json(RunDeclaration)
    run, created = await plane.deps.runs.register(request.route["run_id"], asked, request.cause)
    return _run(201 if created else 200, run)


async def get_run(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """One run and its files."""
    return _run(200, await plane.deps.runs.get(request.route["run_id"]))


async def list_runs(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Runs that match, by id."""
    page = await plane.deps.runs.list(run_query(request))
    items = [doc.Run.of(resource).model_dump(mode="json") for resource in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def get_model_lineage(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """What a version came from and what came from it, as a graph; of a deleted one, too."""
    name, version = request.route["name"], request.route["version"]
    depth = _depth(request)
    try:
        version = str((await plane.deps.registry.get(name, version)).version)
    except NotFound:
        named = is_valid_name(name) and is_version(version)
        if not named or await plane.deps.store.read(tombstone_key(name, version)) is None:
            raise
    found = await lineage(plane.deps.store, name, version, depth=depth)
    return ApiResponse(200, found.model_dump(mode="json"))


def _depth(request: ApiRequest) -> int:
    text = request.query.get("depth") or str(DEFAULT_DEPTH)
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_DEPTH):
        raise BadRequest(f"depth is {text[:20]!r}", remedy=f"give a number from 1 to {MAX_DEPTH}")
    return int(text)


def _run(status: int, run: Resource) -> ApiResponse:
    headers = {"ETag": quoted_etag(run.etag)}
    if status == 201:
        headers["Location"] = f"/api/runs/{run.name}"
    return ApiResponse(status, doc.Run.of(run).model_dump(mode="json"), headers)
