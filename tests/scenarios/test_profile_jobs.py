"""Profiles asked of a control plane: a real server in a real environment, under real limits."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.environments.curated_text import curated_text
from shared.resources.base import ResourceKey
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.local_host import ROOT
from tests.scenarios.test_environments import SOURCE, until_ended
from tests.scenarios.test_images import call

ROW = json.dumps({"data": [[0.04, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02]]})
ASKED = {"environment": "slipway-onnx-serving", "target_rps": 20, "p99_ms": 100, "sample": ROW}


async def prepared(folder: Path, script: str = "", **settings: Any) -> ControlPlane:
    """A control plane with the example model, a script beside it, and a built environment."""
    plane = make_plane(folder / "data", **settings)
    files = {
        "model.yml": b"name: diabetes\npath: files\nsample_input: files/sample.jsonl\n",
        "files/model.onnx": (ROOT / "examples" / "diabetes" / "model.onnx").read_bytes(),
        "files/sample.jsonl": f"{ROW}\n".encode(),
        "files/score.py": script.encode(),
        "serving.yml": curated_text("slipway/onnx-serving").encode(),
        "other.yml": b"name: other\ntype: custom_model\npath: other.bin\n",
        "other.bin": b"1",
    }
    for outcome in await apply_tree(SourceTree(files), None, SOURCE, plane.deps, CAUSE):
        assert outcome.result != "refused", outcome
    await until_ended(plane, "slipway-onnx-serving:1")
    return plane


async def finished(plane: ControlPlane, profile_id: str, timeout_s: float = 60) -> Any:
    async with asyncio.timeout(timeout_s):
        while True:
            found = await call(plane, "get_profile", 200, profile_id=profile_id)
            if found["state"] not in ("NotStarted", "Running"):
                return found
            await plane.loop.look_at(ResourceKey("profile", profile_id), CAUSE)


def workers_of(folder: Path) -> list[str]:
    """Command lines of processes that have to do with the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in text and str(os.getpid()) != process.parent.name:
            found.append(text)
    return found


async def test_a_model_that_does_not_start_is_failed_with_its_log(tmp_path: Path) -> None:
    plane = await prepared(tmp_path, "import sys\ndef init(): sys.exit('no weights here')\ndef run(data): return 1\n")
    asked = {**ASKED, "entry_script": "files/score.py"}
    made = await call(plane, "profile_model", 202, asked, name="diabetes", version="1")
    found = await finished(plane, made["profile_id"])
    assert found["state"] == "Failed"
    assert "no weights here" in json.dumps(found["result"]["logTail"])
    assert "Slipway.ModelProfileFailed" in await events_of(plane)
    assert workers_of(tmp_path) == []
    assert not (tmp_path / "data" / "profiles" / made["profile_id"]).exists()


async def test_a_profile_that_is_canceled_leaves_no_process(tmp_path: Path) -> None:
    plane = await prepared(tmp_path)
    without_sample = {key: value for key, value in ASKED.items() if key != "sample"}  # the model's own is taken
    made = await call(plane, "profile_model", 202, without_sample, name="diabetes", version="latest")
    key = ResourceKey("profile", made["profile_id"])
    async with asyncio.timeout(60):
        while not any("shared.scoring" in one for one in workers_of(tmp_path)):
            await plane.loop.look_at(key, CAUSE)
    await call(plane, "cancel_profile", 202, profile_id=made["profile_id"])
    found = await finished(plane, made["profile_id"])
    assert found["state"] == "Cancelled"
    assert workers_of(tmp_path) == []
    refused = await call(plane, "cancel_profile", 422, profile_id=made["profile_id"])
    assert "there is nothing to cancel" in refused["detail"]


@pytest.mark.parametrize(
    ("model", "body", "status", "reason"),
    [
        ("diabetes", {**ASKED, "environment": "nothing"}, 404, "there is no environment"),
        ("nothing", ASKED, 404, "there is no model"),
        ("diabetes", {**ASKED, "entry_script": "a.py"}, 422, "is no file of the model"),
        ("diabetes", {**ASKED, "target_rps": 0}, 422, "/target_rps"),
        ("diabetes", {**ASKED, "sample_name": "sample.xlsx"}, 422, "/sample_name"),
        ("other", {key: ASKED[key] for key in ("environment", "target_rps", "p99_ms")}, 422, "give --sample"),
    ],
)
async def test_what_cannot_be_profiled_says_why(
    tmp_path: Path, model: str, body: dict[str, Any], status: int, reason: str
) -> None:
    plane = await prepared(tmp_path)
    refused = await call(plane, "profile_model", status, body, name=model, version="latest")
    assert reason in json.dumps(refused)


async def test_a_sample_that_is_none_fails_with_its_line(tmp_path: Path) -> None:
    plane = await prepared(tmp_path)
    asked = {**ASKED, "sample": "{}\n{not json\n"}
    made = await call(plane, "profile_model", 202, asked, name="diabetes", version="1")
    found = await finished(plane, made["profile_id"])
    assert found["state"] == "Failed"
    assert "sample.jsonl:2" in found["result"]["error"]


@pytest.mark.slow
async def test_a_profile_goes_on_after_a_kill_and_its_result_is_the_models(tmp_path: Path) -> None:
    plane = await prepared(tmp_path)
    made = await call(plane, "profile_model", 202, ASKED, name="diabetes", version="1")
    points = tmp_path / "data" / "profiles" / made["profile_id"] / "points.jsonl"
    async with asyncio.timeout(120):
        while not points.exists() or not points.read_text():
            await plane.loop.look_at(ResourceKey("profile", made["profile_id"]), CAUSE)
    await plane.deps.profiler._builds.cancel(made["profile_id"])  # type: ignore[attr-defined]  # as a host that dies
    again = make_plane(tmp_path / "data")
    found = await finished(again, made["profile_id"], 400)
    assert found["state"] == "Succeeded", found
    result = found["result"]
    assert [one["purpose"] for one in result["points"]].count("saturation") == 1  # it was not measured again
    assert result["recommendedCpu"] > 0
    version = await again.deps.registry.get("diabetes", "1")
    assert version.spec["resource_configuration"]["cpu"] == result["recommendedCpu"]
    assert "Slipway.ModelProfiled" in await events_of(again)
    assert workers_of(tmp_path) == []
