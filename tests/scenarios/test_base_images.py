"""The images that environments rest on: their digests, asked of a real registry, and what changed there since."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.registry import Credentials, DistributionRegistry
from shared.bootstrap import ControlPlane
from shared.resources.base import Resource
from shared.resources.environment_build import EnvironmentRecipe
from tests.contract.images import image
from tests.docker_registry import PASSWORD, USER, DockerRegistry, docker_registry
from tests.doubles.package_index import PackageIndex, package_index
from tests.plane import make_plane
from tests.scenarios.test_environments import call, declare, until_ended


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerRegistry]:
    (tmp_path / "registry").mkdir()
    with docker_registry(tmp_path / "registry") as made:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {made.host: {"auth": login}}}))
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
        yield made


@pytest.fixture
async def index() -> AsyncIterator[PackageIndex]:
    async with package_index() as made:
        made.add("alpha", "1.0")
        yield made


@pytest.fixture
def plane(tmp_path: Path, index: PackageIndex) -> ControlPlane:
    return make_plane(tmp_path / "data", package_index_url=index.url, base_image_timeout_s=10, container_engine="none")


async def push(registry: DockerRegistry, folder: Path, content: bytes, tag: str = "1") -> str:
    """The digest of an image with this content, which the tag names from now on."""
    client = DistributionRegistry(registry.host, credentials=Credentials(USER, PASSWORD))
    named = await asyncio.to_thread(image, folder / "pushed", content)
    return await client.push(folder / "pushed", named, "base", tag)


def condition(version: Resource) -> Any:
    (found,) = [one for one in version.status["conditions"] if one["type"] == "BaseImageResolved"]
    return found


async def test_a_tag_is_recorded_by_the_digest_that_it_has(
    plane: ControlPlane, registry: DockerRegistry, tmp_path: Path
) -> None:
    digest = await push(registry, tmp_path, b"one")
    await push(registry, tmp_path, b"one", "same")
    name = f"{registry.host}/base"
    await declare(
        plane,
        {
            "a.yml": f"name: a\nimage: {name}:1\npip: [alpha]\n",
            "b.yml": f"name: b\nimage: {name}:same\npip: [alpha]\n",
            "c.yml": f"name: c\nimage: {name}@{digest}\npip: [alpha]\n",
            "d.yml": f"name: d\nimage: {name}:1\n",
        },
    )
    found = await until_ended(plane, "a:1", "b:1", "c:1", "d:1")
    assert {one.status["base_digest"] for one in found} == {digest}
    assert len({one.status["identity"] for one in found[:3]}) == 1  # a name is nothing beside a digest
    assert found[3].status["location"] == f"{name}@{digest}"
    assert [condition(one)["reason"] for one in found] == ["Resolved", "Resolved", "Named", "Resolved"]
    shown = await call(plane, "get_environment_version", name="a", version="1")
    assert (shown["base_image"], shown["base_digest"]) == (f"{name}:1", digest)
    assert PASSWORD not in json.dumps(shown)


async def test_what_changed_in_the_registry_is_outdated_and_an_upgrade_takes_it(
    plane: ControlPlane, registry: DockerRegistry, tmp_path: Path
) -> None:
    before = await push(registry, tmp_path, b"one")
    declared = f"name: a\nimage: {registry.host}/base:1\n"
    await declare(plane, {"a.yml": f"{declared}pip: [alpha]\n"})
    await until_ended(plane, "a:1")
    assert (await call(plane, "check_environments"))["items"] == []
    after = await push(registry, tmp_path, b"two")
    checked = await call(plane, "check_environments")
    assert [one["name"] for one in checked["items"]] == ["a"]
    assert f"is {after} now" in checked["items"][0]["outdated"]
    assert checked["unresolved"] == []
    await declare(plane, {"a.yml": f"{declared}pip: [alpha==1.0]\n"})
    (second,) = await until_ended(plane, "a:2")
    assert (second.status["base_digest"], condition(second)["reason"]) == (before, "Kept")
    await call(plane, "upgrade_environment", status=202, name="a")
    (third,) = await until_ended(plane, "a:3")
    assert third.status["base_digest"] == after
    assert third.status["identity"] != second.status["identity"]
    await call(plane, "build_environment", status=202, name="a", version="1")
    (first,) = await until_ended(plane, "a:1")
    assert (first.status["base_digest"], first.status["outdated"]) == (after, "")
    assert first.status["identity"] == third.status["identity"]
    assert [one["version"] for one in (await call(plane, "check_environments"))["items"]] == ["2"]


async def test_a_tag_that_moved_back_is_not_outdated(
    plane: ControlPlane, registry: DockerRegistry, tmp_path: Path
) -> None:
    await push(registry, tmp_path, b"one")
    await declare(plane, {"a.yml": f"name: a\nimage: {registry.host}/base:1\n"})
    await until_ended(plane, "a:1")
    await push(registry, tmp_path, b"two")
    assert len((await call(plane, "check_environments"))["items"]) == 1
    await push(registry, tmp_path, b"one")
    assert (await call(plane, "check_environments"))["items"] == []


async def test_where_nobody_can_say_the_name_counts_and_the_status_says_so(
    plane: ControlPlane, registry: DockerRegistry
) -> None:
    there, nowhere = f"{registry.host}/base:missing", "127.0.0.1:1/base:1"
    texts = {f"{n}.yml": f"name: e{n}\nimage: {image}\npip: [alpha]\n" for n, image in enumerate((there, nowhere))}
    await declare(plane, texts)
    found = await until_ended(plane, "e0:1", "e1:1")
    assert {(one.status["phase"], one.status["base_digest"]) for one in found} == {("Succeeded", None)}
    assert [(condition(one)["status"], condition(one)["reason"]) for one in found] == [("False", "NotResolved")] * 2
    assert "status 404" in condition(found[0])["message"]
    assert "127.0.0.1:1" in condition(found[1])["message"]
    assert found[0].status["identity"] != found[1].status["identity"]
    checked = await call(plane, "check_environments")
    assert [one["image"] for one in checked["unresolved"]] == sorted([there, nowhere])
    assert checked["items"] == []


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("python", "python@{}"),
        ("python:3.11-slim", "python@{}"),
        ("host:5000/a/b", "host:5000/a/b@{}"),
        ("host:5000/a/b:1", "host:5000/a/b@{}"),
        ("host/a:1@sha256:" + "0" * 64, "host/a@{}"),
    ],
)
def test_a_base_is_built_on_by_its_digest(name: str, reference: str) -> None:
    digest = "sha256:" + "a" * 64
    assert EnvironmentRecipe(base_image=name, base_digest=digest).base_reference == reference.format(digest)
    assert EnvironmentRecipe(base_image=name).base_reference == name
