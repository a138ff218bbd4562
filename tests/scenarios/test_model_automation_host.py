"""A model.yml, a model and a sample are dropped into the upload folder of a real `slipway up`, which is killed now and
then: a derived version comes out, profiled, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.local_host import LocalHost, port_for_restarts, running
from tests.scenarios.test_registry_commands import slipway

MANIFEST = """
name: trees
path: files
sample_input: files/rows.csv
optimize: {variants: [graph]}
profile: {target_rps: 20, p99_ms: 500, max_memory_gb: 1}
"""


async def answer(host: LocalHost, *arguments: str) -> Any:
    return json.loads((await slipway(host, *arguments, "-o", "json")).stdout)


async def said(host: LocalHost, model: str, condition: str, timeout_s: float) -> dict[str, Any]:
    """The version's condition, once it is True or False."""
    async with asyncio.timeout(timeout_s):
        while True:
            listed = await answer(host, "model", "list", "--versions")
            if model in {one["id"] for one in listed["items"]}:
                version = await answer(host, "model", "show", model)
                found = next((one for one in version["conditions"] if one["type"] == condition), None)
                if found is not None and (found["status"] != "Unknown" or found["reason"] == "DerivedVersion"):
                    return dict(found)
            await asyncio.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_a_dropped_model_is_optimised_and_profiled_by_itself(tmp_path: Path) -> None:
    datasets, ensemble = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.ensemble")
    x, y = datasets.load_diabetes(return_X_y=True)
    trained = ensemble.GradientBoostingRegressor(n_estimators=50, random_state=0).fit(x, y)
    rows = "\n".join([",".join(f"f{n}" for n in range(10)), *(",".join(map(str, row)) for row in x[:100].tolist())])
    async with running(tmp_path / "data", port=port_for_restarts()) as host:
        folder = host.data_dir / "uploads" / "trees"
        (folder / "files").mkdir(parents=True)
        (folder / "files" / "model.pkl").write_bytes(pickle.dumps(trained))
        (folder / "files" / "rows.csv").write_text(rows)
        (folder / "model.yml").write_text(MANIFEST)
        async with asyncio.timeout(120):
            while not (await answer(host, "optimization", "list"))["items"]:
                await asyncio.sleep(0.2)
        await host.restart()  # killed in the middle of it
        optimized = await said(host, "trees:1", "Optimized", 600)
        assert (optimized["status"], optimized["reason"]) == ("True", "Registered"), optimized
        assert "trees-onnx:1" in optimized["message"]
        assert (await said(host, "trees:1", "Profiled", 60))["reason"] == "DerivedVersion"
        profiled = await said(host, "trees-onnx:1", "Profiled", 600)
        assert profiled["status"] == "True", profiled
        derived = await answer(host, "model", "show", "trees-onnx:1")
        assert derived["parent_model_id"] == "trees:1"
        assert derived["resource_configuration"]["cpu"] > 0
        profiles = (await answer(host, "profile", "list"))["items"]
        assert [(one["model"], one["state"]) for one in profiles] == [("trees-onnx:1", "Succeeded")]
        optimizations = (await answer(host, "optimization", "list"))["items"]
        assert [(one["model"], one["registered"]) for one in optimizations] == [("trees:1", "trees-onnx:1")]
        assert {one["variant"] for one in optimizations[0]["result"]["variants"]} == {"onnx", "graph"}
