"""Models as images, on a control plane of this machine: an OCI layout, and a real registry that skopeo pulls from."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shared.api.dispatch import answer
from shared.api.message import ApiRequest
from shared.bootstrap import ControlPlane
from shared.packaging.extract import unpack
from shared.resources.base import ResourceKey
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.docker_registry import PASSWORD, USER, docker_registry
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.test_environments import SOURCE, look, until_ended

SCRIPT = "def init(): ...\ndef run(data): return data\n"


def root(folder: Path) -> Path:
    tool = folder / "usr" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\n")
    for path in (tool, tool.parent, tool.parent.parent, folder):
        path.chmod(0o755)
    return folder


async def prepared(folder: Path, **settings: Any) -> ControlPlane:
    """A control plane with a model and a built environment."""
    base = folder / "root"
    plane = make_plane(
        folder / "data",
        image_base=str(base if base.exists() else root(base)),
        **settings,
    )
    files = {
        "model.yml": "name: diabetes\npath: files\n",
        "files/model.bin": "weights",
        "files/score.py": SCRIPT,
        "environment.yml": "name: serve\npip: [colorama==0.4.6]\n",
    }
    tree = SourceTree({path: text.encode() for path, text in files.items()})
    for outcome in await apply_tree(tree, None, SOURCE, plane.deps, CAUSE):
        assert outcome.result != "refused", outcome
    await until_ended(plane, "serve:1")
    return plane


async def call(plane: ControlPlane, operation: str, status: int, body: Any = None, **route: str) -> Any:
    content = json.dumps(body).encode() if body is not None else b""
    headers = {"content-type": "application/json"}
    request = ApiRequest(
        method="POST", url="", headers=headers, query={}, route=route, body=content, request_id="r", easy_auth=False
    )
    given = await answer(operation, request, plane)
    document = json.loads(given.body() or b"null")
    assert given.status == status, document
    return document


async def packaged(plane: ControlPlane, **body: Any) -> Any:
    asked = {"environment": "serve:1", **body}
    made = await call(plane, "package_model", 202, asked, name="diabetes", version="latest")
    async with asyncio.timeout(60):
        while True:
            found = await call(plane, "get_image", 200, image_id=made["image_id"])
            if found["phase"] in ("Succeeded", "Failed", "Canceled"):
                return found
            await plane.loop.look_at(ResourceKey("image", made["image_id"]), CAUSE)


async def test_a_model_becomes_an_image_with_all_that_it_needs(tmp_path: Path) -> None:
    plane = await prepared(tmp_path)
    image = await packaged(plane, entry_script="files/score.py")
    assert image["phase"] == "Succeeded", image
    layout = tmp_path / "data" / "images"
    assert image["location"] == f"oci:{layout.resolve()}:{image['image_id']}@{image['digest']}"
    unpack(layout, image["digest"], tmp_path / "unpacked")
    found = tmp_path / "unpacked"
    model = found / "var/azureml-app/azureml-models/diabetes/1"
    assert (model / "files/model.bin").read_text() == "weights"
    assert (found / "opt/slipway/packages/colorama/__init__.py").exists()
    assert (found / "opt/slipway/server-packages/orjson/__init__.py").exists()
    assert (found / "opt/slipway/server/shared/scoring/__main__.py").exists()
    assert (found / "usr/bin/tool").exists()
    assert not list(found.rglob("*.pyc"))
    manifest = json.loads((layout / "blobs/sha256" / image["digest"].removeprefix("sha256:")).read_text())
    config = json.loads((layout / "blobs/sha256" / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["config"]["User"] == "65532:65532"
    assert "AZUREML_ENTRY_SCRIPT=files/score.py" in config["config"]["Env"]
    assert "Slipway.ImagePackaged" in await events_of(plane)
    bill = await call(plane, "get_image_bill", 200, image_id=image["image_id"])
    names = [one["name"] for one in bill["bill"]["components"]]
    assert {"colorama", "diabetes"} <= set(names)
    log = await call(plane, "get_image_log", 200, image_id=image["image_id"])
    assert image["digest"] in log["text"]
    asked = {"environment": "serve", "entry_script": "files/score.py"}
    again = await call(plane, "package_model", 200, asked, name="diabetes", version="1")
    assert again["image_id"] == image["image_id"]
    refused = await call(plane, "delete_model_version", 409, name="diabetes", version="1")
    assert f"image/{image['image_id']}" in json.dumps(refused)


@pytest.mark.parametrize(
    "platforms", [["linux/amd64"], pytest.param(["linux/arm64", "linux/amd64"], marks=pytest.mark.slow)]
)
async def test_the_same_declaration_gives_the_same_bytes(platforms: list[str], tmp_path: Path) -> None:
    digests = set()
    for name in ("here", "elsewhere/below"):
        before = os.umask(0o077 if name == "here" else 0o022)
        try:
            plane = await prepared(tmp_path / name)
            image = await packaged(plane, platforms=platforms)
        finally:
            os.umask(before)
        assert image["phase"] == "Succeeded", image
        digests.add(image["digest"])
        await asyncio.sleep(1.1)  # another second
    assert len(digests) == 1


async def test_an_image_is_pushed_and_pulled_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "registry").mkdir()
    with docker_registry(tmp_path / "registry") as registry:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))  # as `skopeo login` writes it
        plane = await prepared(tmp_path, image_repository=f"{registry.host}/models/slipway")
        image = await packaged(plane)
        assert image["location"] == f"{registry.host}/models/slipway@{image['digest']}"
        source, target = f"docker://{image['location']}", f"oci:{tmp_path}/pulled"
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false"]
        await asyncio.to_thread(subprocess.run, [*command, source, target], check=True)
        pulled = json.loads((tmp_path / "pulled" / "index.json").read_text())
        assert pulled["manifests"][0]["digest"] == image["digest"]
        tag = f"docker://{registry.host}/models/slipway:sha256-{image['digest'].removeprefix('sha256:')}"
        raw = ["skopeo", "inspect", "--raw", "--tls-verify=false", tag]
        listed = json.loads(await asyncio.to_thread(subprocess.check_output, raw))
        assert [one["artifactType"] for one in listed["manifests"]] == ["application/vnd.cyclonedx+json"]
        log = await call(plane, "get_image_log", 200, image_id=image["image_id"])
        assert PASSWORD not in json.dumps(image) + log["text"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"environment": "nothing:1"}, 404, "there is no environment nothing:1"),
        ({"environment": "serve:1", "entry_script": "missing.py"}, 422, "is no file of the model"),
        ({"environment": "serve:1", "platforms": ["windows/amd64"]}, 422, "pattern"),
        ({"environment": "failed:1"}, 422, "cannot be used: it is Failed"),
    ],
)
async def test_what_cannot_be_packaged_says_why(tmp_path: Path, body: dict[str, Any], status: int, reason: str) -> None:
    plane = await prepared(tmp_path)
    tree = SourceTree({"failed.yml": b"name: failed\npip: [no-such-package-of-slipway]\n"})
    await apply_tree(tree, None, SOURCE, plane.deps, CAUSE)
    await until_ended(plane, "failed:1")
    refused = await call(plane, "package_model", status, body, name="diabetes", version="1")
    assert reason in json.dumps(refused)


async def test_a_base_image_that_is_not_there_is_a_failure_with_its_name(tmp_path: Path) -> None:
    plane = await prepared(tmp_path)
    shutil.rmtree(tmp_path / "root")
    image = await packaged(plane)
    assert image["phase"] == "Failed"
    assert f"the base image {tmp_path}/root is not there" in image["conditions"][0]["message"]
    root(tmp_path / "root")
    assert (await packaged(plane))["phase"] == "Succeeded"
    await look(plane)


async def images_of(plane: ControlPlane) -> dict[str, Any]:
    listed = await call(plane, "list_images", 200)
    return {one["image_id"]: one for one in listed["items"]}


async def test_the_image_of_an_archived_model_goes_after_the_retention(tmp_path: Path) -> None:
    plane = await prepared(tmp_path, artifact_retention_s=0.5)
    image = await packaged(plane)
    layout = tmp_path / "data" / "images"
    assert await plane.image_garbage.collect() == ()
    assert (await images_of(plane))[image["image_id"]]["unused"] == ""
    await plane.deps.lifecycle.set_archived("diabetes", "1", True, CAUSE)
    assert await plane.image_garbage.collect() == ()
    marked = (await images_of(plane))[image["image_id"]]
    assert marked["unused"] == "the model diabetes:1 is archived or deleted"
    assert marked["unused_since"] is not None
    asked = {"environment": "serve:1"}
    again = await call(plane, "package_model", 200, asked, name="diabetes", version="1")  # so it is needed after all
    assert (again["unused"], again["unused_since"]) == ("", None)
    gone: tuple[str, ...] = ()
    async with asyncio.timeout(30):
        while not gone:
            gone = await plane.image_garbage.collect()
            await asyncio.sleep(0.1)
    assert gone == (image["image_id"],)
    assert await images_of(plane) == {}
    assert not list((layout / "blobs" / "sha256").iterdir())
    await call(plane, "delete_model_version", 204, name="diabetes", version="1")


async def test_an_image_whose_place_was_taken_is_unused_and_can_be_deleted(tmp_path: Path) -> None:
    plane = await prepared(tmp_path)
    first = await packaged(plane)
    other = make_plane(tmp_path / "data", image_base=str(root(tmp_path / "another")))
    second = await packaged(other)
    assert second["image_id"] != first["image_id"]
    assert await other.image_garbage.collect() == ()
    found = await images_of(other)
    assert found[first["image_id"]]["unused"] == f"{second['image_id']} took its place"
    assert found[second["image_id"]]["unused"] == ""
    await call(other, "delete_image", 204, image_id=first["image_id"])
    await call(other, "get_image", 404, image_id=first["image_id"])
