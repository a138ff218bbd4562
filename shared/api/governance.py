"""REST: policies, the audit, the garbage collection."""

from __future__ import annotations

import json
from dataclasses import asdict

from shared.api import documents as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.search import time_of
from shared.bootstrap import ControlPlane
from shared.errors import NotFound
from shared.ports import ANY_KIND, RecordQuery, ResourceQuery
from shared.registry.policies import (
    AUTOMATION_FILE,
    AUTOMATION_PATH,
    POLICY_PATH,
    Candidate,
    compiled,
    read_automation,
    violations,
)
from shared.resources.model import KIND


async def get_model_policy(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The policy for models that is in force."""
    text = await plane.deps.policies.text()
    if text is None:
        raise NotFound(f"there is no {POLICY_PATH}: every model is accepted", remedy="put a JSON Schema there")
    return ApiResponse(200, {"path": POLICY_PATH, "text": text})


async def get_automation_policy(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """The policy of what is done with new versions by itself; 422 with all that is wrong for one that is none."""
    text = await plane.deps.policies.text(AUTOMATION_FILE)
    if text is None:
        raise NotFound(f"there is no {AUTOMATION_PATH}: only what a model.yml says is done", remedy="put rules there")
    read_automation(text.encode())
    return ApiResponse(200, {"path": AUTOMATION_PATH, "text": text})


async def test_model_policy(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Try a policy on what is registered: a page of versions, and those of them that it would refuse."""
    asked = request.json(doc.PolicyTestRequest)
    content = json.dumps(asked.policy).encode() if asked.policy is not None else await _in_force(plane)
    validator = compiled(content)
    query = ResourceQuery(KIND, versions="versions", after=request.continuation, limit=request.limit())
    page = await plane.deps.store.list_resources(query)
    refused = []
    for version in page.items:
        faults = violations(validator, Candidate.registered(version))
        if faults:
            shown = [fault.as_dict() for fault in faults]
            refused.append({"id": f"{version.name}:{version.version}", "faults": shown})
    return ApiResponse(200, {"checked": len(page.items), "items": refused, "continuation": page.continuation})


async def _in_force(plane: ControlPlane) -> bytes:
    text = await plane.deps.policies.text()
    if text is None:
        raise NotFound(f"there is no {POLICY_PATH}", remedy="send the policy to try")
    return text.encode()


async def list_audit(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Every change of every resource, oldest first, each with its place in the chain of hashes."""
    query = RecordQuery(since=time_of(request, "since"), after=request.continuation, limit=request.limit())
    page = await plane.deps.store.list_history(query)
    items = [record.model_dump(mode="json") for record in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def list_audit_heads(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Of every resource the revision and the hash that its history must end with."""
    query = ResourceQuery(ANY_KIND, after=request.continuation, limit=request.limit())
    page = await plane.deps.store.list_resources(query)
    items = [
        doc.AuditHead(key=str(one.key), revision=one.revision, hash=one.history_hash).model_dump()
        for one in page.items
        if one.history_hash
    ]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def collect_garbage(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Delete stored files that nothing refers to and that are older than the retention; with dry_run only count."""
    asked = request.json(doc.CollectionRequest)
    done = await plane.deps.garbage.collect(dry_run=asked.dry_run)
    return ApiResponse(200, doc.CollectionDone(**asdict(done)).model_dump())
