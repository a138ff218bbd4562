"""Governance: what a team's policy refuses, that a refusal leaves nothing behind, and that nothing fails open."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.blob_folders import etag_of, note_received
from shared.bootstrap import ControlPlane
from shared.errors import Invalid, Retryable
from shared.ports import ResourceQuery
from shared.registry.models import Registry
from shared.registry.policies import Candidate, compiled, violations
from shared.resources.base import Resource
from shared.resources.patches import ModelPatch
from tests.plane import CAUSE, events_of, plane, stage

__all__ = ["plane"]

OWNED = {"properties": {"tags": {"required": ["owner"], "description": "an owner"}, "name": {"pattern": "^team-"}}}


def set_policy(plane: ControlPlane, policy: Any) -> Path:
    """Put the whole policy there, as the blob endpoint does."""
    content = policy if isinstance(policy, str) else json.dumps(policy)
    target = write_policy(plane, content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    note_received(plane.deps.settings.data_dir, etag_of(target.stat()), digest)
    return target


def write_policy(plane: ControlPlane, content: str) -> Path:
    """Write the policy as an editor does: it may not be finished."""
    target = plane.deps.settings.data_dir / "policies" / "model.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


async def push(plane: ControlPlane, manifest: str, upload_id: str = "u-1") -> Resource:
    stage(plane, upload_id, "model.bin", b"a model")
    upload, _ = await plane.intake.request(
        upload_id, CAUSE, manifest=manifest, declaration=None, manifest_file="model.yml", overrides={}, files=None
    )
    return upload


async def models(registry: Registry) -> int:
    return len((await registry.list_models(ResourceQuery("model", None, "heads"))).items)


async def test_a_refusal_names_each_fault_is_announced_and_leaves_nothing(plane: ControlPlane) -> None:
    set_policy(plane, OWNED)
    upload = await push(plane, "name: mine\npath: model.bin\n")
    assert upload.status["phase"] == "Failed"
    faults = {fault["pointer"]: fault["message"] for fault in upload.status["faults"]}
    assert faults == {"/name": "'mine' does not match '^team-'", "/tags": "'owner' is a required property"}
    assert upload.status["faults"][1]["allowed"] == "an owner"
    assert "policies/model.json" in upload.status["conditions"][0]["message"]
    assert await events_of(plane) == ["Slipway.ModelRefused"]
    assert await models(plane.deps.registry) == 0
    artifacts = plane.deps.settings.data_dir / "artifacts"
    assert [path for path in artifacts.rglob("*") if path.is_file()] == []


async def test_what_the_policy_accepts_is_registered_and_a_change_counts_at_once(plane: ControlPlane) -> None:
    set_policy(plane, OWNED)
    manifest = "name: team-a\npath: model.bin\ntags: {owner: me}\n"
    assert (await push(plane, manifest)).status["phase"] == "Completed"
    set_policy(plane, {"properties": {"name": {"const": "other"}}})
    assert (await push(plane, manifest, "u-2")).status["phase"] == "Failed"


async def test_a_change_may_not_break_what_held_but_may_leave_what_did_not(plane: ControlPlane) -> None:
    assert (await push(plane, "name: old\npath: model.bin\ntags: {owner: me}\n")).status["phase"] == "Completed"
    set_policy(plane, OWNED)
    registry, accept = plane.deps.registry, plane.deps.policies.check_change
    kept = await registry.update("old", "1", ModelPatch(tags={"more": "1"}), if_match="*", cause=CAUSE, accept=accept)
    assert kept.tags == {"owner": "me", "more": "1"}  # its name breaks the policy, as it did before
    with pytest.raises(Invalid) as refused:
        await registry.update("old", "1", ModelPatch(tags={"owner": None}), if_match="*", cause=CAUSE, accept=accept)
    assert [fault.pointer for fault in refused.value.faults] == ["/tags"]
    assert (await registry.get("old", "1")).tags == {"owner": "me", "more": "1"}


async def test_a_policy_that_is_being_written_is_waited_for(plane: ControlPlane) -> None:
    target = write_policy(plane, "{")
    with pytest.raises(Retryable, match="still being written"):
        await plane.deps.policies.text()
    set_policy(plane, OWNED)
    with target.open("r+"), pytest.raises(Retryable, match="open for writing"):
        await plane.deps.policies.text()
    assert json.loads(await plane.deps.policies.text() or "") == OWNED


@pytest.mark.parametrize("policy", ["{", "[]", '{"type": "wrong"}', '{"$ref": "#/nowhere"}'])
async def test_a_broken_policy_refuses_everything(plane: ControlPlane, policy: str) -> None:
    set_policy(plane, policy)
    with pytest.raises(Invalid, match=r"policies/model\.json"):
        await push(plane, "name: a\npath: model.bin\n")
    assert await models(plane.deps.registry) == 0
    set_policy(plane, "{}")
    assert (await push(plane, "name: a\npath: model.bin\n", "u-2")).status["phase"] == "Completed"


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"properties": {"name": {"type": "wrong"}}}, "/properties/name/type"),
        (
            {"properties": {"tags": {"properties": {"a/b": {"format": "postcode"}}}}},
            "/properties/tags/properties/a~1b/format",
        ),
        ({"allOf": [{"properties": {"name": {"format": "hostnam"}}}]}, "/allOf/0/properties/name/format"),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_with_its_place(schema: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        compiled(json.dumps(schema).encode())
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_a_format_that_is_checked_is_accepted_and_data_are_no_schemas() -> None:
    checked = compiled(b'{"properties": {"name": {"format": "email"}, "tags": {"enum": [{"format": "uri"}]}}}')
    faults = violations(checked, Candidate(name="no address", tags={"format": "uri"}))
    assert [fault.pointer for fault in faults] == ["/name"]
    named = compiled(b'{"properties": {"format": {"type": "string"}, "name": {"const": "a"}}}')
    assert violations(named, Candidate(name="a")) == ()
