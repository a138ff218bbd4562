"""What a model.yml or the team's policy says is done with a version by itself: once, and after a crash, too."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.controllers import model_automation
from shared.errors import Retryable
from shared.ports import ResourceQuery
from shared.resources.base import ResourceKey
from shared.resources.model import ModelVersionStatus
from shared.resources.sync import FileOutcome
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, make_plane
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call

KEY = ResourceKey("model", "trees", "1")
HEAD = "name: trees\npath: files\n"
SECTION = "optimize: {sample: files/rows.csv, tolerances: {max_abs: 0.5}, variants: [graph]}\n"
PROFILE = {"target_rps": 20, "p99_ms": 100}
POLICY = {"rules": [{"models": "other"}, {"models": "tre*", "tags": {"serve": "yes"}, "profile": PROFILE}]}


async def declared(plane: ControlPlane, manifest: str, weights: bytes = b"1") -> FileOutcome:
    files = {"model.yml": manifest.encode(), "files/weights.bin": weights, "files/rows.csv": b"a,b\n1,2\n"}
    (outcome,) = await apply_tree(SourceTree(files), None, SOURCE, plane.deps, CAUSE)
    return outcome


async def shown(plane: ControlPlane) -> Any:
    return await call(plane, "get_model_version", 200, name="trees", version="1")


def conditions(version: Any) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in version["conditions"]}


async def looked(plane: ControlPlane, until: Callable[[dict[str, tuple[str, str]]], bool]) -> Any:
    """The version once its conditions are as wanted; everything unfinished is looked at meanwhile."""
    async with asyncio.timeout(120):
        while True:
            for kind in ("optimization", "profile", "environment", "environment-build"):
                for listing in ("heads", "versions"):
                    page = await plane.deps.store.list_resources(ResourceQuery(kind, versions=listing))
                    for one in page.items:
                        await plane.loop.look_at(one.key, CAUSE)
            await plane.loop.look_at(KEY, CAUSE)
            found = await shown(plane)
            if until(conditions(found)):
                return found


async def names(plane: ControlPlane, kind: str) -> list[str]:
    return [one.name for one in (await plane.deps.store.list_resources(ResourceQuery(kind))).items]


async def put_policy(plane: ControlPlane, text: str) -> None:
    path = plane.deps.settings.data_dir / "policies" / "automation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    async with asyncio.timeout(30):
        while True:
            try:
                assert await plane.deps.policies.text(path.name) == text
                return
            except Retryable:  # it may still be written
                await asyncio.sleep(0.02)


async def test_a_declared_optimisation_is_begun_once_whatever_happens_in_between(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    assert (await declared(plane, HEAD + SECTION)).result == "created"
    crashed = await plane.deps.store.read(KEY)
    assert crashed is not None
    status = ModelVersionStatus.model_validate(crashed.status)
    await model_automation.decide(crashed, status, plane.deps)
    await model_automation.advance(crashed, status, plane.deps, CAUSE)  # a crash: what was begun is written nowhere
    assert len(await names(plane, "optimization")) == 1
    again = make_plane(tmp_path)
    found = await looked(again, lambda told: told.get("Optimized", ("Unknown", ""))[0] != "Unknown")
    assert conditions(found)["Optimized"] == ("False", "Failed")
    assert "is no model of a known kind" in json.dumps(found["conditions"])
    (made,) = await names(again, "optimization")
    optimization = await again.optimizations.get(made)
    assert optimization.spec["variants"] == ["graph"]
    assert optimization.spec["tolerances"]["max_abs"] == 0.5
    assert optimization.spec["sample_name"] == "files/rows.csv"
    assert (await declared(again, HEAD + SECTION)).result == "unchanged"
    await again.loop.redrive(KEY, CAUSE)
    await again.loop.look_at(KEY, CAUSE)
    assert await names(again, "optimization") == [made]
    stored = await again.deps.store.read(KEY)
    assert stored is not None
    assert not stored.unfinished


async def test_a_changed_section_is_a_new_version(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    assert (await declared(plane, HEAD)).version == "1"
    changed = await declared(plane, HEAD + SECTION)
    assert (changed.result, changed.version) == ("created", "2")


@pytest.mark.parametrize(
    ("section", "pointer"),
    [
        ("optimize: {sample: files/no.csv}\n", "/optimize/sample"),
        ("optimize: {}\n", "/optimize/sample"),
        ("optimize: {kind: cobol, sample: files/rows.csv}\n", "/optimize/kind"),
        ("optimize: {variants: [], sample: files/rows.csv}\n", "/optimize/variants"),
        ("profile: {target_rps: 5, p99_ms: 0, sample: files/rows.csv}\n", "/profile/p99_ms"),
        ("profile: {target_rps: 5, p99_ms: 5, sample: files/rows.csv, entry_script: a.py}\n", "/profile/entry_script"),
        ("profile: {target_rps: 5, p99_ms: 5, sample: files/rows.csv, environment: ../x}\n", "/profile/environment"),
    ],
)
async def test_a_section_that_is_wrong_is_refused_with_its_place(tmp_path: Path, section: str, pointer: str) -> None:
    outcome = await declared(make_plane(tmp_path), HEAD + section)
    assert outcome.result == "refused"
    assert pointer in json.dumps([fault for fault in outcome.model_dump(mode="json")["faults"]])


async def test_a_policy_says_what_is_profiled_by_itself(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    await put_policy(plane, json.dumps(POLICY))
    manifest = f"{HEAD}tags: {{serve: 'yes'}}\nsample_input: files/rows.csv\n"
    assert (await declared(plane, manifest)).result == "created"
    await looked(plane, lambda told: told.get("Profiled", ("", ""))[1] == "NotStarted")
    (made,) = await names(plane, "profile")
    profile = await plane.profiles.get(made)
    assert (profile.spec["target_rps"], profile.spec["environment"]) == (20, "slipway-onnx-serving:1")
    await plane.profiles.cancel(profile, CAUSE)
    found = await looked(plane, lambda told: told["Profiled"][0] != "Unknown")
    assert conditions(found)["Profiled"] == ("False", "Cancelled")
    assert await names(plane, "profile") == [made]


async def test_a_policy_for_others_and_none_do_nothing(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    await put_policy(plane, json.dumps(POLICY))
    await declared(plane, f"{HEAD}sample_input: files/rows.csv\n")
    await plane.loop.look_at(KEY, CAUSE)
    assert set(conditions(await shown(plane))) == {"FilesAccepted"}
    assert await names(plane, "profile") == []


@pytest.mark.parametrize("text", ["{", '{"rules": [{"model": "x"}]}', '{"rules": [{"profile": {"p99_ms": 5}}]}'])
async def test_a_policy_that_cannot_be_read_lets_nothing_begin_until_it_is_corrected(tmp_path: Path, text: str) -> None:
    plane = make_plane(tmp_path)
    await put_policy(plane, text)
    await declared(plane, f"{HEAD}tags: {{serve: 'yes'}}\nsample_input: files/rows.csv\n")
    await plane.loop.look_at(KEY, CAUSE)
    found = await shown(plane)
    assert found["phase"] == "Ready"
    assert conditions(found)["AutomationDecided"] == ("False", "PolicyUnreadable")
    refused = await call(plane, "get_automation_policy", 422)
    assert "policies/automation.json" in json.dumps(refused)
    assert await names(plane, "profile") == []
    await put_policy(plane, json.dumps(POLICY))
    await plane.loop.look_at(KEY, CAUSE)
    assert conditions(await shown(plane))["AutomationDecided"] == ("True", "Decided")
    assert (await call(plane, "get_automation_policy", 200))["path"] == "policies/automation.json"


async def test_a_model_whose_files_are_not_accepted_is_not_opened_by_itself(tmp_path: Path) -> None:
    plane = make_plane(tmp_path)
    await declared(plane, HEAD + SECTION, pickle.dumps(os.system))
    await plane.loop.look_at(KEY, CAUSE)
    told = conditions(await shown(plane))
    assert (told["FilesAccepted"][0], told["AutomationDecided"]) == ("False", ("False", "FilesNotAccepted"))
    assert await names(plane, "optimization") == []
