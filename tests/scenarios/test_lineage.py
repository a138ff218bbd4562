"""A run is pushed, a model is made of it, another is derived from that: `slipway lineage` tells all of it."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.cli import Cli
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import document, get, listed

COMMIT = "3f2a9bc1d4e5f60718293a4b5c6d7e8f90a1b2c3"


class Shell:
    """The command, typed by a user of `host`."""

    def __init__(self, host: LocalHost) -> None:
        self._cli = Cli(host.url, host.data_dir)
        self._key = host.secrets["host_keys"]["default"]

    async def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        """What it printed: on standard output, or for another code on standard error."""
        done = await asyncio.to_thread(self._cli, *map(str, arguments), key=self._key)
        assert done.exit_code == code, (arguments, done.stdout, done.stderr)
        return done.stderr if code else done.stdout


def manifest(folder: Path, **fields: Any) -> Path:
    """A model.yml (JSON is YAML)."""
    folder.mkdir()
    path = folder / "model.yml"
    path.write_text(json.dumps(fields))
    return path


async def story(slipway: Shell, folder: Path) -> None:
    """The run, the model that was made of it, and the model derived from that."""
    outputs = folder / "outputs"
    (outputs / "model").mkdir(parents=True)
    (outputs / "model" / "weights.bin").write_bytes(b"weights" * 1000)
    (outputs / "log.txt").write_text("loss 0.1\n")
    told = await slipway(
        *("run", "push", "train-1", outputs, "--experiment", "diabetes", "--tag", "owner=ml"),
        *("--input", "azureml:diabetes-data:1", "--input", "testing=s3://bucket/holdout.csv"),
        *("--property", f"azureml.git.commit={COMMIT}", "--environment", "azureml:sklearn:3"),
    )
    assert told == "Registered run train-1 (2 files, 7.0 kB)\n"
    told = await slipway("model", "push", manifest(folder / "a", name="diabetes", path="runs:/train-1/model"))
    assert told == "Registered diabetes:1 (1 file, 7.0 kB)\n"
    derived = {"name": "diabetes-small", "path": "azureml://jobs/train-1/outputs/artifacts/paths/log.txt"}
    await slipway("model", "push", manifest(folder / "b", **derived, parent="diabetes:1"))


async def test_the_lineage_of_a_model_made_of_a_run_has_all_of_it(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        slipway = Shell(host)
        await story(slipway, tmp_path / "work")
        version = await get(http, "/api/models/diabetes/versions/1")
        assert [file["path"] for file in version["files"]] == ["model/weights.bin"]
        assert (version["path"], version["run_id"], version["experiment_name"]) == ("model", "train-1", "diabetes")
        assert version["origin"]["id"] == "train-1/model"
        stored = [path for path in (tmp_path / "data" / "artifacts").rglob("*") if path.is_file()]
        assert len([path for path in stored if path.stat().st_size == 7000]) == 1, "no byte was copied"

        graph = json.loads(await slipway("lineage", "model", "diabetes:1", "-o", "json"))
        assert {f"{e['source']} {e['relation']} {e['target']}" for e in graph["edges"]} == {
            "model/diabetes:1 trained on data/diabetes-data:1",
            "model/diabetes:1 tested on data/s3://bucket/holdout.csv",
            "model/diabetes:1 produced by run/train-1",
            "run/train-1 read data/diabetes-data:1",
            "run/train-1 read data/s3://bucket/holdout.csv",
            "run/train-1 built in environment/sklearn:3",
            f"run/train-1 committed as commit/{COMMIT}",
            "model/diabetes-small:1 derived from model/diabetes:1",
            "model/diabetes-small:1 produced by run/train-1",
            "model/diabetes-small:1 trained on data/diabetes-data:1",
            "model/diabetes-small:1 tested on data/s3://bucket/holdout.csv",
        }
        assert "model diabetes-small:1 (custom_model) derived from it" in await slipway("lineage", "model", "diabetes")
        near = json.loads(await slipway("lineage", "model", "diabetes:1", "--depth", "1", "-o", "json"))
        assert near["truncated"]
        assert len(near["nodes"]) == 5
        assert (await slipway("lineage", "model", "diabetes:1", "-o", "mermaid")).startswith("flowchart RL\n")
        picture = tmp_path / "lineage.svg"
        assert await slipway("lineage", "model", "diabetes:1", "--out", picture) == f"Wrote {picture} (svg)\n"
        assert ET.parse(picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"


async def test_the_parent_of_a_derived_model_is_not_deleted(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        await story(Shell(host), tmp_path / "work")
        async with http.delete("/api/models/diabetes/versions/1") as answer:
            problem = await document(answer, 409)
        assert problem["code"] == "DeletionRequired"
        assert [fault["message"] for fault in problem["faults"]] == ["model/diabetes-small:1 uses it"]
        for name in ("diabetes-small", "diabetes"):
            async with http.delete(f"/api/models/{name}/versions/1") as answer:
                assert answer.status == 204
        gone = await get(http, "/api/models/diabetes/versions/1/lineage")
        assert [(node["id"], node["state"]) for node in gone["nodes"]] == [("model/diabetes:1", "deleted")]


async def test_runs_are_listed_shown_and_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        slipway = Shell(host)
        await story(slipway, tmp_path / "work")
        await slipway("run", "push", "train-2", "--status", "Failed", "--experiment", "other")
        assert [run["run_id"] for run in await listed(http, "/api/runs", experiment="diabetes")] == ["train-1"]
        assert "train-2  other       Failed     0" in await slipway("run", "list")
        assert "train-2" not in await slipway("run", "list", "--tag", "owner=ml")
        assert "azureml:diabetes-data:1 (training)" in await slipway("run", "show", "train-1")
        assert "there is no run 'nobody'" in await slipway("run", "show", "nobody", code=3)
        refused = await slipway("run", "push", "train-2", "--status", "Completed", code=4)
        assert "the run is Failed and stays so" in refused
        nowhere = manifest(tmp_path / "c", name="m", path="runs:/train-1/mod")
        assert "it has log.txt, model/weights.bin" in await slipway("model", "push", nowhere, code=4)


@pytest.mark.parametrize("depth", ["0", "101", "x", "²"])
async def test_a_depth_that_is_none_is_refused(tmp_path: Path, depth: str) -> None:
    async with running(tmp_path / "data") as host, host.client() as http:
        async with http.get("/api/models/m/versions/1/lineage", params={"depth": depth}) as answer:
            assert (await document(answer, 400))["remedy"] == "give a number from 1 to 100"
        async with http.get("/api/models/m/versions/1/lineage") as answer:
            assert (await document(answer, 404))["code"] == "NotFound"
