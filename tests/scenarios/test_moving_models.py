"""Models move: from one Slipway to another, and out of an MLflow registry, with all that is known of them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.doubles.cli import Cli
from tests.doubles.mlflow_rest import CREATED_MS, MlflowRest, running_mlflow
from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import get, listed, push, sha256, versions_of

MLMODEL = b"flavors:\n  sklearn: {sklearn_version: 1.5.0}\nrun_id: r1\n"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LocalHost]:
    async with running(tmp_path / "target") as found:
        yield found


@pytest.fixture
def mlflow() -> Iterator[MlflowRest]:
    with running_mlflow() as found:
        yield found


async def run(host: LocalHost, *arguments: str, **environment: str | None) -> Result:
    """The command on that host, with its default key."""
    cli, key = Cli(host.url, host.data_dir), host.secrets["host_keys"]["default"]
    return await asyncio.to_thread(lambda: cli(*arguments, key=key, **environment))


async def test_a_copy_has_all_that_the_source_has(host: LocalHost, tmp_path: Path) -> None:
    facts: dict[str, Any] = {
        "framework": "Onnx",
        "framework_version": "1.17",
        "stage": "Production",
        "description": "predicts",
        "tags": {"owner": "ml-team", "a,b": "ü"},
        "properties": {"accuracy": "0.9"},
        "datasets": [{"purpose": "training", "reference": "azureml:patients:3"}],
        "run_id": "run-7",
        "experiment_name": "trials",
        "flavors": {"custom": {"x": 1}},
        "sample_input": "in.json",
    }
    files = {"w/weights": os.urandom(300_000), "in.json": b"{}", "empty": b""}
    async with running(tmp_path / "source") as source, source.client() as here, host.client() as there:
        made = await push(here, "diabetes", files, version="7", **facts)
        async with here.put("/api/models/diabetes/labels/champion", json={"version": "7"}) as answer:
            assert answer.status == 200
        arguments = ("model", "copy", "diabetes@champion", "--to", host.url, "--keep-version", "--labels")
        key = host.secrets["host_keys"]["default"]
        done = await run(source, *arguments, SLIPWAY_TO_KEY=key)
        assert (done.exit_code, done.stderr) == (0, "")
        copied = await get(there, "/api/models/diabetes/versions/@champion")
        assert {name: copied[name] for name in facts} == facts
        assert (copied["version"], copied["type"], copied["path"]) == ("7", "custom_model", ".")
        assert {f["path"]: f["sha256"] for f in copied["files"]} == {p: sha256(c) for p, c in files.items()}
        assert copied["origin"]["id"] == f"{source.url} diabetes:7"
        assert copied["origin"]["created_at"] == made["created_at"]
        again = await run(source, *arguments, SLIPWAY_TO_KEY=key)
        assert "Was there already: diabetes:7" in again.stdout
        assert len(await versions_of(there, "diabetes")) == 1
        assert key not in done.stdout + json.dumps(copied)


async def test_all_versions_are_copied_in_their_order(host: LocalHost, tmp_path: Path) -> None:
    async with running(tmp_path / "source") as source, source.client() as here, host.client() as there:
        for number in range(3):
            await push(here, "m", {"f.txt": str(number).encode()})
        key = host.secrets["host_keys"]["default"]
        copy = ("model", "copy", "m:*", "--to", host.url, "--name", "n")
        assert (await run(source, *copy, SLIPWAY_TO_KEY=key)).exit_code == 0
        digests = [v["files"][0]["sha256"] for v in (await versions_of(there, "n"))[::-1]]
        assert digests == [sha256(str(number).encode()) for number in range(3)]


async def test_a_copy_that_breaks_leaves_nothing_registered(host: LocalHost, tmp_path: Path) -> None:
    async with running(tmp_path / "source") as source, source.client() as here, host.client() as there:
        made = await push(here, "m", {"a": b"a", "b": b"the bytes"})
        digest = next(f["sha256"] for f in made["files"] if f["path"] == "b")
        stored = next(p for p in (source.data_dir / "artifacts").rglob("*") if p.is_file() and digest[8:] in str(p))
        os.chmod(stored, 0o600)
        stored.write_bytes(b"not bytes")
        copy = ("model", "copy", "m", "--to", host.url, "--timeout-s", "20")
        key = host.secrets["host_keys"]["default"]
        broken = await run(source, *copy, SLIPWAY_TO_KEY=key)
        assert (broken.exit_code, "other bytes arrived" in broken.stderr) == (1, True)
        assert await listed(there, "/api/models") == []
        stored.write_bytes(b"the bytes")
        assert (await run(source, *copy, SLIPWAY_TO_KEY=key)).exit_code == 0
        assert len(await versions_of(there, "m")) == 1


def a_registry(mlflow: MlflowRest) -> None:
    """Two models, one of them with versions of every kind."""
    root = "mlflow-artifacts:/0/r1/artifacts"
    tags = [{"key": "team", "value": "own"}]
    mlflow.runs["r1"] = root
    mlflow.logged_models["m-1"] = "mlflow-artifacts:/0/models/m-1/artifacts"
    mlflow.artifacts |= {"0/r1/artifacts/out/x.txt": b"from a run", "0/models/m-1/artifacts/y.txt": b"logged"}
    folder = {"MLmodel": MLMODEL, "data/model.txt": b"x" * 5000, "data/deep/e": b""}
    mlflow.add_version(
        "wine", folder, run_id="r1", current_stage="Production", tags=tags, description="the first of them"
    )
    mlflow.add_version("wine", {}, source="s3://bucket/wine")
    mlflow.add_version("wine", {}, source="runs:/r1/out", version=5)
    mlflow.add_version("wine", {}, source="models:/m-1", version=9)
    mlflow.models["wine"]["tags"] = [{"key": "team", "value": "model"}, {"key": "cost", "value": "low"}]
    mlflow.models["wine"]["aliases"] = [
        {"alias": "champion", "version": "5"},
        {"alias": "lost", "version": "2"},
        {"alias": "4you", "version": "1"},
    ]
    mlflow.add_version("bad name", {"a": b"a"})


async def test_an_mlflow_registry_comes_with_numbers_aliases_tags_and_times(
    host: LocalHost, mlflow: MlflowRest
) -> None:
    a_registry(mlflow)
    arguments = ("model", "import", "mlflow", "--tracking-uri", mlflow.url, "--all", "-o", "json")
    planned = await run(host, *arguments, "--dry-run")
    async with host.client() as http:
        assert await listed(http, "/api/models") == []
        outcomes = {row["id"]: row["outcome"] for row in json.loads(planned.stdout)["items"]}
        assert (outcomes["wine:1"], outcomes["wine@champion"]) == ("would be imported", "would be set")
        done = await run(host, *arguments)
        rows = {row["id"]: row for row in json.loads(done.stdout)["items"]}
        assert done.exit_code == 1
        assert "wine:2: its artifacts are at s3://, which the tracking server does not hand out" in done.stderr
        failed = {name for name, row in rows.items() if row["outcome"] == "not imported"}
        assert failed == {"wine:2", "wine@lost", "wine@4you", "bad name"}
        assert [v["version"] for v in await versions_of(http, "wine")] == ["9", "5", "1"]
        first = await get(http, "/api/models/wine/versions/1")
        assert (first["type"], first["stage"], first["run_id"]) == ("mlflow_model", "Production", "r1")
        assert (first["experiment_name"], first["description"]) == ("trials", "the first of them")
        assert first["tags"] == {"team": "own", "cost": "low"}
        assert first["flavors"] == {"sklearn": {"sklearn_version": "1.5.0"}}
        assert [f["path"] for f in first["files"]] == ["MLmodel", "data/deep/e", "data/model.txt"]
        assert first["origin"] == {
            "system": "mlflow",
            "id": f"{mlflow.url} models:/wine/1",
            "created_at": "2023-11-14T22:13:21Z",
            "modified_at": "2023-11-14T22:13:22Z",
        }
        assert CREATED_MS == 1_700_000_000_000
        champion = await get(http, "/api/models/wine/versions/@champion")
        assert (champion["version"], champion["type"], champion["path"]) == ("5", "custom_model", "x.txt")
        assert champion["files"][0]["sha256"] == sha256(b"from a run")


async def test_an_import_goes_on_where_it_was_interrupted(host: LocalHost, mlflow: MlflowRest) -> None:
    for number in range(4):
        mlflow.add_version("m", {"f.txt": str(number).encode()})
    mlflow.interpose = lambda path: 502 if "run-m-3" in path else None
    arguments = ("model", "import", "mlflow", "--tracking-uri", mlflow.url, "--name", "m", "-o", "json")
    broken = await run(host, *arguments)
    assert broken.exit_code == 6
    mlflow.interpose = lambda path: None
    before = len(mlflow.downloads)
    done = await run(host, *arguments)
    assert done.exit_code == 0
    outcomes = [row["outcome"] for row in json.loads(done.stdout)["items"]]
    assert outcomes == ["already there", "already there", "imported", "imported"]
    assert [path for path in mlflow.downloads[before:] if "run-m-1" in path or "run-m-2" in path] == []
    async with host.client() as http:
        assert [v["version"] for v in await versions_of(http, "m")] == ["4", "3", "2", "1"]


async def test_a_version_of_somebody_else_is_not_taken_for_an_imported_one(host: LocalHost, mlflow: MlflowRest) -> None:
    mlflow.add_version("m", {"f.txt": b"theirs"})
    async with host.client() as http:
        await push(http, "m", {"f.txt": b"ours"})
    done = await run(host, "model", "import", "mlflow", "--tracking-uri", mlflow.url, "--name", "m")
    assert done.exit_code == 1
    assert "m:1: m:1 is there already, from elsewhere" in done.stderr


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
        ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
    ],
)
async def test_credentials_go_to_mlflow_and_into_no_message(
    host: LocalHost, mlflow: MlflowRest, environment: dict[str, str], expected: str
) -> None:
    mlflow.add_version("m", {"f.txt": b"f"})
    mlflow.authorization = expected
    arguments = ("model", "import", "mlflow", "--tracking-uri", mlflow.url, "--all")
    refused = await run(host, *arguments)
    assert (refused.exit_code, "MLFLOW_TRACKING_USERNAME" in refused.stderr) == (5, True)
    done = await run(host, *arguments, **environment)
    assert done.exit_code == 0
    assert not any(secret in done.output for secret in environment.values() if len(secret) > 1)
    inside = await run(host, *arguments[:4], "http://u:secret@127.0.0.1", "--all")
    assert (inside.exit_code, "secret" in inside.stderr) == (2, False)
