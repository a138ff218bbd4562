"""Optimisations asked of a control plane: limited processes open the model, the best variant becomes a version."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.resources.base import ResourceKey
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call
from tests.scenarios.test_profile_jobs import workers_of

ROWS = "a,b\n1,2\n3,4\n"


async def prepared(folder: Path, model: bytes, name: str = "model.pkl") -> ControlPlane:
    plane = make_plane(folder / "data")
    files = {
        "model.yml": f"name: trees\ntype: custom_model\npath: files\nsample_input: files/{name}.txt\n".encode(),
        f"files/{name}": model,
    }
    for outcome in await apply_tree(SourceTree(files), None, SOURCE, plane.deps, CAUSE):
        assert outcome.result != "refused", outcome
    return plane


async def ended(plane: ControlPlane, optimization_id: str, timeout_s: float = 60) -> Any:
    async with asyncio.timeout(timeout_s):
        while True:
            found = await call(plane, "get_optimization", 200, optimization_id=optimization_id)
            if found["phase"] not in ("Pending", "Running"):
                return found
            await plane.loop.look_at(ResourceKey("optimization", optimization_id), CAUSE)


async def test_files_of_no_known_kind_fail_with_those_that_are(tmp_path: Path) -> None:
    plane = await prepared(tmp_path, b"1", "weights.bin")
    made = await call(plane, "optimize_model", 202, {"sample": ROWS}, name="trees", version="1")
    found = await ended(plane, made["optimization_id"])
    assert found["phase"] == "Failed"
    assert "is no model of a known kind" in found["conditions"][0]["message"]
    assert "Slipway.ModelNotOptimized" in await events_of(plane)
    assert not (tmp_path / "data" / "optimizations" / made["optimization_id"]).exists()


async def test_one_that_is_canceled_leaves_nothing(tmp_path: Path) -> None:
    plane = await prepared(tmp_path, b"sklearn.nothing")
    made = await call(plane, "optimize_model", 202, {"sample": ROWS}, name="trees", version="latest")
    await plane.loop.look_at(ResourceKey("optimization", made["optimization_id"]), CAUSE)
    await call(plane, "cancel_optimization", 202, optimization_id=made["optimization_id"])
    found = await ended(plane, made["optimization_id"])
    assert found["phase"] in ("Canceled", "Failed")  # it may have failed before: the pickle is none
    assert workers_of(tmp_path) == []
    refused = await call(plane, "cancel_optimization", 422, optimization_id=made["optimization_id"])
    assert "there is nothing to cancel" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"sample": ROWS, "source_kind": "cobol"}, 422, "there is no kind of model"),
        ({}, 422, "give --sample"),
        ({"sample": ROWS, "sample_name": "rows.xlsx"}, 422, "/sample_name"),
        ({"sample": ROWS, "tolerances": {"max_abs": -1}}, 422, "/tolerances/max_abs"),
    ],
)
async def test_what_cannot_be_optimised_says_why(
    tmp_path: Path, body: dict[str, Any], status: int, reason: str
) -> None:
    plane = await prepared(tmp_path, b"1")
    refused = await call(plane, "optimize_model", status, body, name="trees", version="1")
    assert reason in json.dumps(refused)


@pytest.mark.slow
async def test_the_best_variant_becomes_a_version_derived_from_its_model(tmp_path: Path) -> None:
    datasets, ensemble = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.ensemble")
    x, y = datasets.load_diabetes(return_X_y=True)
    trained = ensemble.GradientBoostingRegressor(n_estimators=50, random_state=0).fit(x, y)
    rows = "\n".join([",".join(f"f{n}" for n in range(10)), *(",".join(map(str, row)) for row in x[:100].tolist())])
    plane = await prepared(tmp_path, pickle.dumps(trained))
    made = await call(plane, "optimize_model", 202, {"sample": rows}, name="trees", version="1")
    found = await ended(plane, made["optimization_id"], 600)
    assert (found["phase"], found["registered"], found["source_kind"]) == ("Succeeded", "trees-onnx:1", "sklearn")
    version = await plane.deps.registry.get("trees-onnx", "1")
    assert version.spec["parent_model_id"] == "trees:1"
    assert float(version.properties["slipway.optimization.gain"]) > 1
    (file,) = version.spec["files"]
    best = next(one for one in found["result"]["variants"] if one["variant"] == found["result"]["best"])
    assert (best["verified"], best["sha256"]) == (True, file["sha256"])
    assert b"".join([chunk async for chunk in plane.deps.artifacts.read(file["sha256"])])
    assert "Slipway.ModelOptimized" in await events_of(plane)
    assert workers_of(tmp_path) == []
