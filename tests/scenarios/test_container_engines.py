"""Environments that a container engine builds: also those that are ended, take too long, or are killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from shared.adapters.local.container_engines import BuildOf, ContainerEngine, EngineName, find_engine, run_folder
from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
from shared.environments.running import run_streamed
from shared.packaging.docker_archive import read_docker_archive
from shared.packaging.extract import unpack
from shared.packaging.layout import read_document, write_index
from shared.ports import BuildRequest
from shared.resources.environment_build import EnvironmentRecipe
from tests.contract.images import image
from tests.contract.test_environment_builder import context_file, engine_builder, read_file
from tests.plane import events_of, make_plane
from tests.scenarios.test_environments import call, declare, until_ended
from tests.scenarios.test_images import packaged

ENGINES: tuple[EngineName, ...] = ("podman", "buildah")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture
def builder(engine: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineEnvironmentBuilder:
    return engine_builder(tmp_path, engine, monkeypatch)


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """HOST:PORT of a registry that takes connections and never answers."""

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(nothing, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def hanging(silent: str, timeout_s: float = 120) -> BuildRequest:
    """A build that waits for its base."""
    file = context_file("Dockerfile", f"FROM {silent}/base:1\n".encode())
    return BuildRequest(EnvironmentRecipe(context=[file], dockerfile_path="Dockerfile"), read_file, timeout_s)


def running(folder: Path) -> list[int]:
    """The engines that build below the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_text(errors="replace")
        except OSError:
            continue
        if f"TMPDIR={folder}" in environ:
            found.append(int(process.name))
    return found


async def until(so: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(30):
        while not so():
            await asyncio.sleep(0.05)
    assert so(), what


async def test_a_build_that_is_canceled_leaves_nothing(
    builder: EngineEnvironmentBuilder, silent: str, tmp_path: Path
) -> None:
    request = hanging(silent)
    assert (await builder.advance(request, "")).state == "Running"
    layout = tmp_path / "images"
    await until(lambda: running(layout), "the engine runs")
    (work,) = layout.glob(".building-*")
    await builder.cancel(request.recipe.identity, "")
    assert running(layout) == []
    assert not work.exists()
    assert not run_folder(work).exists()


async def test_a_build_that_takes_too_long_fails_and_leaves_nothing(
    builder: EngineEnvironmentBuilder, silent: str, tmp_path: Path
) -> None:
    request = hanging(silent, timeout_s=0.5)
    async with asyncio.timeout(60):
        while (done := await builder.advance(request, "")).state == "Running":
            pass
    assert (done.state, "took longer than" in done.reason) == ("Failed", True)
    assert running(tmp_path / "images") == []
    assert not list((tmp_path / "images").glob(".building-*"))


KILLED = """
import asyncio, sys
from pathlib import Path
from shared.adapters.local.container_engines import find_engine
from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
from tests.scenarios.test_container_engines import hanging

async def main():
    builder = EngineEnvironmentBuilder(Path(sys.argv[1]), find_engine(sys.argv[2]))
    request = hanging(sys.argv[3])
    while True:
        await builder.advance(request, "")

asyncio.run(main())
"""


async def test_the_engine_of_a_slipway_that_was_killed_is_ended_before_the_next_build(
    builder: EngineEnvironmentBuilder, engine: EngineName, silent: str, tmp_path: Path
) -> None:
    layout, request = tmp_path / "images", hanging(silent)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(layout), engine, silent], env=environ)
    await until(lambda: running(layout), "the engine runs")
    left = running(layout)
    process.kill()
    process.wait()
    await builder.advance(request, "")
    await until(lambda: not set(left) & set(running(layout)) and running(layout), "another one builds")
    assert len(list(layout.glob(".building-*"))) == 1
    await builder.cancel(request.recipe.identity, "")
    assert running(layout) == []


async def test_two_builds_of_one_context_give_one_digest(
    builder: EngineEnvironmentBuilder, engine: EngineName, tmp_path: Path
) -> None:
    files = [context_file("Dockerfile", b"FROM scratch\nCOPY a /a\n"), context_file("a", b"content")]
    request = BuildRequest(EnvironmentRecipe(context=files, dockerfile_path="Dockerfile"), read_file, 120)
    other = EngineEnvironmentBuilder(tmp_path / "elsewhere", find_engine(engine))
    digests = set()
    for one in (builder, other):
        async with asyncio.timeout(60):
            while (done := await one.advance(request, "")).state == "Running":
                pass
        digests.add(done.location.rpartition("@")[2])
    assert len(digests) == 1


async def test_a_declared_build_context_becomes_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = find_engine("auto")
    if engine is None or engine.has_daemon:
        pytest.skip("no podman and no buildah is present (apt-get install podman)")
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    plane = make_plane(tmp_path / "data", container_engine="auto")
    files = {"e/environment.yml": "name: e\nbuild: {path: ctx}\n", "e/ctx/Dockerfile": "FROM scratch\nCOPY a /a\n"}
    model = {"m/model.yml": "name: diabetes\npath: files\n", "m/files/model.bin": "weights"}
    await declare(plane, {**files, **model, "e/ctx/a": "content"})
    (version,) = await until_ended(plane, "e:1")
    assert version.status["phase"] == "Succeeded", version.status["conditions"]
    layout = (tmp_path / "data" / "environment-images").resolve()
    place, _, digest = version.status["location"].rpartition("@")
    assert place == f"oci:{layout}:{version.status['identity']}"
    config = read_document(layout, read_document(layout, digest)["config"]["digest"])
    assert config["created"].startswith("1980-01-01")
    assert "Slipway.EnvironmentBuilt" in await events_of(plane)
    log = await call(plane, "get_environment_log", name="e", version="1")
    assert digest in log["text"]
    made = await packaged(plane, environment="e:1")
    assert made["phase"] == "Succeeded", made
    unpack(tmp_path / "data" / "images", made["digest"], tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "a").read_text() == "content"
    assert (tmp_path / "unpacked/var/azureml-app/azureml-models/diabetes/1/files/model.bin").read_text() == "weights"


def test_only_its_own_variables_reach_an_engine(tmp_path: Path) -> None:
    environ = {
        "PATH": "/bin",
        "SLIPWAY_KEY": "k",
        "AZURE_CLIENT_SECRET": "s",
        "STORAGE_DRIVER": "vfs",
        "DOCKER_HOST": "h",
    }
    seen = ContainerEngine("podman", "/bin/podman").environment(tmp_path, environ)
    assert {"PATH", "STORAGE_DRIVER", "DOCKER_HOST"} <= set(seen)
    assert not {"SLIPWAY_KEY", "AZURE_CLIENT_SECRET"} & set(seen)


@pytest.mark.parametrize(
    ("present", "choice", "found"),
    [
        (("podman", "buildah"), "auto", "podman"),
        (("buildah",), "auto", "buildah"),
        (("podman", "buildah"), "buildah", "buildah"),
        (("podman",), "buildah", None),
        (("podman",), "none", None),
        ((), "auto", None),
    ],
)
def test_the_chosen_engine_or_the_first_present(
    tmp_path: Path, present: tuple[str, ...], choice: object, found: str | None
) -> None:
    for name in present:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    engine = find_engine(choice, {"PATH": str(tmp_path)})  # type: ignore[arg-type]
    assert (engine.name if engine else None) == found


def test_docker_is_present_when_its_daemon_is(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    there = find_engine("auto", {"PATH": str(tmp_path), "DOCKER_HOST": "unix:///run/other.sock"})
    assert there is not None
    one = BuildOf(
        tmp_path, tmp_path / "context", tmp_path / "context/Dockerfile", "localhost/e:1", "https://index.example"
    )
    assert there.build_command(one)[1:] == [
        *("build", "--build-arg", "SOURCE_DATE_EPOCH=315532800", "--force-rm", "--file"),
        *(str(one.dockerfile), "--tag", "localhost/e:1", "--build-arg", "PIP_INDEX_URL=https://index.example"),
        str(one.context),
    ]
    assert there.remove_command(one) == [there.program, "image", "rm", "--force", "localhost/e:1"]


def test_an_archive_of_docker_keeps_config_and_layers(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    named = image(layout, b"content")
    write_index(layout, [named], "1")
    archive = tmp_path / "image.tar"
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{layout}:1", f"docker-archive:{archive}:e:1"]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        pytest.skip("skopeo is not installed (apt-get install skopeo)")
    read = read_docker_archive(archive, tmp_path / "read")
    before, after = (read_document(layout, named.digest), read_document(tmp_path / "read", read.digest))
    configs = [
        read_document(folder, document["config"]["digest"])
        for folder, document in ((layout, before), (tmp_path / "read", after))
    ]
    assert configs[0]["rootfs"] == configs[1]["rootfs"]
    assert [one["digest"] for one in after["layers"]] == configs[1]["rootfs"]["diff_ids"]
    assert read.platform == named.platform


async def test_a_process_ends_with_all_that_it_began_and_shows_no_credentials(tmp_path: Path) -> None:
    script = "echo https://me:secret@index.example/simple; setsid sh -c 'sleep 300 & echo $! > pid; wait' & wait"
    printed: list[str] = []
    task = asyncio.create_task(
        run_streamed(("sh", "-c", script), tmp_path, {"PATH": os.environ["PATH"]}, None, printed.append)
    )
    await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip() and printed, "it runs")
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert printed == ["https://index.example/simple"]
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_without_an_engine_the_choice_is_named(tmp_path: Path) -> None:
    plane = make_plane(tmp_path / "data", container_engine="none")
    await declare(plane, {"e.yml": "name: e\nbuild: {path: .}\n", "Dockerfile": "FROM scratch\n"})
    (version,) = await until_ended(plane, "e:1")
    (condition,) = [one for one in version.status["conditions"] if one["type"] == "Built"]
    assert "Dockerfile is built by Azure Container Registry or a container engine" in condition["message"]
    assert "SLIPWAY_CONTAINER_ENGINE=none" in condition["message"]
