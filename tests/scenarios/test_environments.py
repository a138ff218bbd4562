"""Environments from a declaration to a built folder, on a control plane of this machine with a real index and uv."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.api.dispatch import answer
from shared.api.message import ApiRequest
from shared.bootstrap import ControlPlane
from shared.controllers.overdue import enqueue_overdue
from shared.ports import ResourceQuery
from shared.resources.base import Resource, ResourceKey
from shared.resources.sync import Provenance
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.doubles.package_index import PackageIndex, package_index
from tests.plane import CAUSE, events_of, make_plane
from tests.scenarios.test_git_sync import settle

SOURCE = Provenance(source="models")
BASE = "python:3.11-slim"


@pytest.fixture
async def index() -> AsyncIterator[PackageIndex]:
    async with package_index() as made:
        for name in ("alpha", "gamma"):
            made.add(name, "1.0")
        made.add("beta", "1.0", ["alpha"])
        yield made


@pytest.fixture
def plane(tmp_path: Path, index: PackageIndex) -> ControlPlane:
    return make_plane(tmp_path / "data", package_index_url=index.url, container_engine="none")


async def declare(plane: ControlPlane, files: dict[str, str]) -> None:
    tree = SourceTree({path: text.encode() for path, text in files.items()})
    for outcome in await apply_tree(tree, None, SOURCE, plane.deps, CAUSE):
        assert outcome.result != "refused", outcome


async def until_ended(plane: ControlPlane, *references: str) -> list[Resource]:
    async with asyncio.timeout(60):
        while True:
            found = [await version_of(plane, one) for one in references]
            if not any(one.unfinished for one in found):
                return found
            await look(plane)


async def look(plane: ControlPlane) -> None:
    """Look at everything unfinished, as its messages and the timer do in a while."""
    end = datetime(2100, 1, 1, tzinfo=UTC)
    versions = ResourceQuery("environment", versions="versions", unfinished_before=end)
    for query in (versions, ResourceQuery("environment-build", unfinished_before=end)):
        found = (await plane.deps.store.list_resources(query)).items
        await asyncio.gather(*(plane.loop.look_at(one.key, CAUSE) for one in found))


async def version_of(plane: ControlPlane, reference: str) -> Resource:
    name, _, version = reference.partition(":")
    found = await plane.deps.store.read(ResourceKey("environment", name, version))
    assert found is not None, reference
    return found


async def call(
    plane: ControlPlane, operation: str, *, status: int = 200, query: dict[str, str] | None = None, **route: str
) -> Any:
    request = ApiRequest(
        method="GET", url="", headers={}, query=query or {}, route=route, body=b"", request_id="r", easy_auth=False
    )
    given = await answer(operation, request, plane)
    document = json.loads(given.body())
    assert given.status == status, document
    return document


async def test_a_declared_environment_is_locked_built_and_shown(plane: ControlPlane) -> None:
    await declare(plane, {"environment.yml": "name: sklearn\npip: [Beta>=1, alpha]\n"})
    (version,) = await until_ended(plane, "sklearn:1")
    assert (version.status["phase"], version.status["packages"]) == ("Succeeded", ["alpha==1.0", "beta==1.0"])
    shown = await call(plane, "get_environment_version", name="sklearn", version="latest")
    assert shown["location"].endswith(shown["identity"])
    assert (Path(shown["location"]) / "bin" / "python").exists()
    lock = await call(plane, "get_environment_lock", name="sklearn", version="1")
    assert lock["text"].startswith("alpha==1.0 --hash=sha256:")
    bill = await call(plane, "get_environment_bill", name="sklearn", version="1")
    assert [one["purl"] for one in bill["bill"]["components"]] == ["pkg:pypi/alpha@1.0", "pkg:pypi/beta@1.0"]
    log = await call(plane, "get_environment_log", name="sklearn", version="1")
    assert "beta==1.0" in log["text"]
    types = await events_of(plane)
    for name in ("EnvironmentRegistered", "EnvironmentBuilt"):
        assert types.count(f"Slipway.{name}") == 1


async def builds_begun(plane: ControlPlane, identity: str) -> int:
    history = await call(plane, "list_resource_history", kind="environment-build", name=identity)
    return sum(one["changes"].get("status", {}).get("phase") == "Building" for one in history["items"])


async def test_the_same_environment_is_built_once_however_it_is_written(
    plane: ControlPlane, index: PackageIndex
) -> None:
    conda = "channels: [a, b]\ndependencies: [python=3.11, pip, {pip: [beta, 'alpha>=1']}]\n"
    await declare(
        plane,
        {
            "a.yml": f"name: a\nimage: {BASE}\npip: [beta, alpha>=1]\n",
            "b.yml": f"name: b\nimage: {BASE}\npip: ['Alpha >= 1', beta]\ndescription: other words\n",
            "c.yml": f"name: c\nimage: {BASE}\npip: requirements.txt\n",
            "requirements.txt": "# the same\nbeta\nalpha>=1\n",
            "d.yml": f"name: d\nimage: {BASE}\nconda_file: conda.yml\n",
            "conda.yml": conda,
            "e.yml": f"name: e\nimage: {BASE}\npip: [beta]\npython_version: '3.12'\n",
        },
    )
    found = await until_ended(plane, "a:1", "b:1", "c:1", "d:1")
    assert len({one.status["identity"] for one in found}) == 1
    assert {one.status["phase"] for one in found} == {"Succeeded"}
    assert await builds_begun(plane, found[0].status["identity"]) == 1
    other = await version_of(plane, "e:1")
    assert other.status["identity"] != found[0].status["identity"]


async def test_twenty_who_ask_at_once_build_once(plane: ControlPlane) -> None:
    files = {f"{n}.yml": f"name: e{n}\npip: [alpha, beta]\n" for n in range(20)}
    await declare(plane, files)
    await enqueue_overdue(plane.loop, plane.deps, ["environment"])
    await settle(plane, workers=8)
    found = await until_ended(plane, *(f"e{n}:1" for n in range(20)))
    assert {one.status["phase"] for one in found} == {"Succeeded"}
    (folder,) = (plane.deps.settings.data_dir / "environments").glob("[0-9a-f]" * 64)
    assert {one.status["location"] for one in found} == {str(folder.resolve())}
    assert await builds_begun(plane, folder.name) == 1


async def test_pins_stay_until_somebody_upgrades(plane: ControlPlane, index: PackageIndex) -> None:
    await declare(plane, {"e.yml": "name: e\npip: [beta]\n"})
    await until_ended(plane, "e:1")
    index.add("alpha", "2.0")
    await declare(plane, {"e.yml": "name: e\npip: [beta, gamma]\n"})
    (second,) = await until_ended(plane, "e:2")
    assert second.status["packages"] == ["alpha==1.0", "beta==1.0", "gamma==1.0"]
    assert second.status["locked_from"] == "1"
    assert (await call(plane, "upgrade_environment", status=202, name="e"))["version"] == "3"
    (third,) = await until_ended(plane, "e:3")
    assert third.status["packages"] == ["alpha==2.0", "beta==1.0", "gamma==1.0"]
    diff = await call(plane, "diff_environment_versions", name="e", version="3", query={"from": "1"})
    assert (diff["is_same"], diff["packages"]) == (
        False,
        [
            {"name": "alpha", "before": "1.0", "after": "2.0"},
            {"name": "gamma", "before": None, "after": "1.0"},
        ],
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pip: [nosuch]", "nosuch was not found in the package registry"),
        ("pip: [alpha==7]", "there is no version of alpha==7"),
        ("pip: [alpha, '-e .']", "/pip/1: '-e': options are not accepted"),
        ("pip: r.txt", "r.txt:2: 'git+https://git.example/x': paths and URLs are not accepted"),
        ("image: a\nconda_file: {dependencies: [numpy=1.20, {pip: [alpha]}]}", "conda package numpy=1.20"),
        ("build: {path: .}", "Dockerfile: a Dockerfile is built by Azure Container Registry"),
    ],
)
async def test_what_cannot_be_built_says_why(plane: ControlPlane, text: str, reason: str) -> None:
    await declare(
        plane, {"e.yml": f"name: e\n{text}\n", "r.txt": "alpha\ngit+https://git.example/x\n", "Dockerfile": "FROM a"}
    )
    (version,) = await until_ended(plane, "e:1")
    assert version.status["phase"] == "Failed"
    (condition,) = [one for one in version.status["conditions"] if one["type"] == "Built"]
    assert reason in condition["message"]
    assert "Slipway.EnvironmentBuildFailed" in await events_of(plane)


async def test_an_image_is_taken_as_it_is(plane: ControlPlane) -> None:
    digest = "sha256:" + "a" * 64
    await declare(plane, {"e.yml": f"name: e\nimage: registry.example/base@{digest}\n"})
    (version,) = await until_ended(plane, "e:1")
    assert (version.status["phase"], version.status["base_digest"]) == ("Succeeded", digest)
    assert version.status["location"] == f"registry.example/base@{digest}"


async def test_what_failed_is_built_when_it_can_be(plane: ControlPlane, index: PackageIndex) -> None:
    await declare(plane, {"e.yml": "name: e\npip: [delta]\n"})
    await until_ended(plane, "e:1")
    index.add("delta", "1.0")
    await call(plane, "build_environment", status=202, name="e", version="1")
    (version,) = await until_ended(plane, "e:1")
    assert (version.status["phase"], version.status["packages"]) == ("Succeeded", ["delta==1.0"])


async def test_a_canceled_build_ends_and_can_be_asked_for_again(plane: ControlPlane) -> None:
    tree = SourceTree({"e.yml": b"name: e\npip: [alpha]\n"})
    await apply_tree(tree, None, SOURCE, plane.deps, CAUSE)
    await call(plane, "cancel_environment_build", status=202, name="e", version="1")
    (version,) = await until_ended(plane, "e:1")
    assert version.status["phase"] == "Canceled"
    refused = await call(plane, "cancel_environment_build", status=422, name="e", version="1")
    assert "there is nothing to cancel" in refused["detail"]
    await call(plane, "build_environment", status=202, name="e", version="1")
    (version,) = await until_ended(plane, "e:1")
    assert version.status["phase"] == "Succeeded"


def pushed(repository: str, tag: str, digest: str) -> dict[str, Any]:
    return {
        "id": f"{repository}{tag}{digest}",
        "topic": "/subscriptions/s",
        "subject": f"{repository}:{tag}",
        "eventType": "Microsoft.ContainerRegistry.ImagePushed",
        "eventTime": "2026-11-23T12:00:00Z",
        "data": {
            "action": "push",
            "target": {"repository": repository, "tag": tag, "digest": digest},
            "request": {"host": "slipway.azurecr.io"},
        },
        "dataVersion": "1.0",
    }


async def test_a_base_image_that_changed_marks_what_rests_on_it(plane: ControlPlane) -> None:
    await declare(
        plane,
        {
            "a.yml": "name: a\nimage: slipway.azurecr.io/base:1\npip: [alpha]\n",
            "b.yml": "name: b\nimage: slipway.azurecr.io/base:2\npip: [alpha]\n",
        },
    )
    await until_ended(plane, "a:1", "b:1")
    for _ in range(2):  # it may come twice
        await plane.container_registry_event(pushed("base", "1", "sha256:" + "b" * 64))
    listed = await call(plane, "list_environments", query={"outdated": "true"})
    assert [one["name"] for one in listed["items"]] == ["a"]
    assert "slipway.azurecr.io/base:1 is sha256:bbb" in listed["items"][0]["outdated"]
    await plane.container_registry_event(pushed("slipway/environments", "0" * 64, "sha256:" + "c" * 64))


async def test_what_no_version_needs_is_let_go_and_comes_back(tmp_path: Path, index: PackageIndex) -> None:
    plane = make_plane(tmp_path / "data", package_index_url=index.url, artifact_retention_s=0.5)
    await declare(plane, {"a.yml": "name: a\npip: [alpha]\n", "b.yml": "name: b\npip: [gamma]\n"})
    kept, gone = await until_ended(plane, "a:1", "b:1")
    await apply_tree(SourceTree({"a.yml": b"name: a\npip: [alpha]\n"}), None, SOURCE, plane.deps, CAUSE, prune=True)
    await asyncio.sleep(0.6)
    assert await plane.image_intake.collect_environments() == (gone.status["identity"],)
    assert Path(kept.status["location"]).exists()
    assert not Path(gone.status["location"]).exists()
    await declare(plane, {"c.yml": "name: c\npip: [gamma]\n"})
    (again,) = await until_ended(plane, "c:1")
    assert (again.status["phase"], Path(again.status["location"]).exists()) == ("Succeeded", True)
