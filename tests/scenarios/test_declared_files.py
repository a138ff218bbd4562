"""`slipway apply`, `diff`, `get` and `delete` on a real server, and a server that is killed while it applies."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.scenarios.local_host import LocalHost, running
from tests.scenarios.rest import get, listed
from tests.scenarios.test_registry_commands import slipway
from tests.unit.test_git_provenance import git

ENDPOINT = (
    "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\n"
    "name: diabetes\nauth_mode: key\n"
)
ENVIRONMENT = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: score\nimage: a:1\n"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LocalHost]:
    async with running(tmp_path / "data") as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A declared model whose file is too large for the request, an environment and an endpoint."""
    folder = tmp_path / "declared"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(os.urandom(300_000))
    (folder / "model.yml").write_text("name: diabetes\npath: weights.bin\n")
    (folder / "environment.yml").write_text(ENVIRONMENT)
    (folder / "endpoint.yml").write_text(ENDPOINT)
    (folder / "values.yaml").write_text("replicas: 3\n")
    return folder


async def results(host: LocalHost, *arguments: str, code: int = 0) -> dict[str, str]:
    """Path -> result of `slipway apply`; what is ignored is left out."""
    done = json.loads((await slipway(host, "apply", "-o", "json", *arguments, code=code)).stdout)
    return {one["path"]: one["result"] for one in done["files"] if one["result"] != "ignored"}


async def test_a_folder_becomes_so_and_its_files_come_along(host: LocalHost, folder: Path) -> None:
    everything = {"model.yml", "environment.yml", "endpoint.yml"}
    assert await results(host, "-f", str(folder), "--dry-run") == dict.fromkeys(everything, "created")
    async with host.client() as http:
        assert await listed(http, "/api/models") == []
        assert await results(host, "-f", str(folder)) == dict.fromkeys(everything, "created")
        version = await get(http, "/api/models/diabetes/versions/1")
        assert [(file["path"], file["size_bytes"]) for file in version["files"]] == [("weights.bin", 300_000)]
        environment = await get(http, "/api/resources/environment/score")
        assert environment["version"] == "1"
        assert environment["properties"]["slipway.source.file"] == "environment.yml"
    assert await results(host, "-f", str(folder)) == dict.fromkeys(everything, "unchanged")
    assert await results(host, "-f", str(folder / "model.yml"), "--source", "declared") == {"model.yml": "unchanged"}


async def test_differences_are_shown_before_they_are_applied(host: LocalHost, folder: Path) -> None:
    await slipway(host, "apply", "-f", str(folder))
    assert (await slipway(host, "diff", "-f", str(folder), "--exit-code")).stdout == "No differences.\n"
    (folder / "endpoint.yml").write_text(ENDPOINT.replace("key", "aml_token"))
    shown = (await slipway(host, "diff", "-f", str(folder), "--exit-code", code=1)).stdout
    assert '- /declaration/auth_mode: "key"\n+ /declaration/auth_mode: "aml_token"' in shown
    assert (await results(host, "-f", str(folder)))["endpoint.yml"] == "updated"


async def test_a_faulty_file_is_refused_with_its_place_and_the_others_are_applied(
    host: LocalHost, folder: Path
) -> None:
    (folder / "environment.yml").write_text(ENVIRONMENT + "imgae: x\n")
    done = await slipway(host, "apply", "-f", str(folder), code=4)
    assert "environment.yml:4:1: /imgae: 'imgae' is not a key of this kind of file" in done.stdout
    assert "2 created, 1 refused" in done.stdout
    shown = await slipway(host, "get", "online-endpoint", "diabetes")
    assert "auth_mode: key" in shown.stdout
    await slipway(host, "get", "environment", "score", code=3)


async def test_what_is_gone_is_removed_and_what_is_declared_can_be_deleted(host: LocalHost, folder: Path) -> None:
    await slipway(host, "apply", "-f", str(folder))
    (folder / "endpoint.yml").unlink()
    assert "endpoint.yml" not in await results(host, "-f", str(folder))
    assert (await results(host, "-f", str(folder), "--prune"))["endpoint.yml"] == "removed"
    await slipway(host, "get", "online-endpoint", "diabetes", code=3)
    await slipway(host, "delete", "environment", "score:1", "--yes")
    await slipway(host, "delete", "environment", "score:1", "--yes", code=3)
    await slipway(host, "get", "nothing", code=3)


async def test_a_server_that_is_killed_while_it_applies_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "declared"
    folder.mkdir()
    for index in range(60):
        (folder / f"{index}.yml").write_text(ENVIRONMENT.replace("score", f"e{index}"))
    async with running(tmp_path / "data") as host:
        applying = asyncio.create_task(slipway(host, "apply", "-f", str(folder), "--timeout-s", "1", code=6))
        async with host.client() as http:
            while not await listed(http, "/api/resources/environment"):
                await asyncio.sleep(0.005)
        host.process.kill()
        await applying
    async with running(tmp_path / "data") as host, host.client() as http:
        there = {one["name"] for one in await listed(http, "/api/resources/environment")}
        again = await results(host, "-f", str(folder))
        assert {path for path, result in again.items() if result == "unchanged"} == {f"{n[1:]}.yml" for n in there}
        assert len(await listed(http, "/api/resources/environment")) == 60
        assert set((await results(host, "-f", str(folder))).values()) == {"unchanged"}
        await slipway(host, "audit", "verify")


async def test_what_is_dropped_into_the_config_folder_becomes_so(host: LocalHost, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "data" / "config" / "team"
    shutil.copytree(folder, target)
    async with host.client() as http:
        while not (done := [one for one in await listed(http, "/api/syncs") if one["phase"] == "Succeeded"]):
            await asyncio.sleep(0.1)
        assert done[0]["status"]["counts"] == {"created": 3, "ignored": 1}
        version = await get(http, "/api/models/diabetes/versions/1")
        assert version["properties"]["slipway.source.file"] == "team/model.yml"
    (target / "environment.yml").write_text(ENVIRONMENT + "imgae: x\n")
    async with host.client() as http:
        while not (done := [one for one in await listed(http, "/api/syncs") if one["phase"] == "PartiallySucceeded"]):
            await asyncio.sleep(0.1)
    shown = await slipway(host, "sync", "show", done[0]["sync_id"])
    assert "team/environment.yml:4:1: /imgae: 'imgae' is not a key of this kind of file" in shown.stdout


async def test_a_single_file_prunes_nothing(host: LocalHost, folder: Path) -> None:
    await slipway(host, "apply", "-f", str(folder), "--source", "declared")
    refused = await slipway(host, "apply", "-f", str(folder / "model.yml"), "--source", "declared", "--prune", code=2)
    assert "only a whole folder can be pruned" in refused.stderr
    async with host.client() as http:
        body = {"files": [], "paths": ["model.yml"], "provenance": {"source": "declared"}, "prune": True}
        async with http.post("/api/apply", json=body) as answer:
            assert (answer.status, (await answer.json())["faults"][0]["pointer"]) == (422, "/prune")
        assert await listed(http, "/api/resources/online-endpoint")


async def test_two_folders_of_a_repository_do_not_prune_each_other(host: LocalHost, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    for name in ("a", "b"):
        (repository / name).mkdir(parents=True)
        (repository / name / "environment.yml").write_text(ENVIRONMENT.replace("score", name))
    git(repository, "init", "-q", "-b", "main")
    git(repository, "remote", "add", "origin", "https://git.example.com/team/models.git")
    for name in ("a", "b", "a"):
        await slipway(host, "apply", "-f", str(repository / name), "--prune")
    async with host.client() as http:
        found = await get(http, "/api/resources/environment/b")
        assert found["properties"]["slipway.source.file"] == "b/environment.yml"
        assert found["status"]["archived"] is False


async def test_more_files_than_a_request_takes_are_all_applied(host: LocalHost, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(25):
        text = ENVIRONMENT.replace("score", f"e{index}") + f"description: '{'x' * 100_000}'\n"
        (folder / f"{index}.yml").write_text(text)
    (folder / "large.yml").write_text(ENVIRONMENT.replace("score", "large") + f"description: '{'x' * 300_000}'\n")
    assert await results(host, "-f", str(folder)) == {path.name: "created" for path in folder.iterdir()}
