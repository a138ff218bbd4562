"""Environments built by a container engine for real: steps that run on a root file system that mmdebstrap makes, which
the engine pulls from a registry on loopback. As root only."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.adapters.local.container_engines import EngineName, find_engine
from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
from shared.adapters.registry import Credentials, DistributionRegistry
from shared.environments.requirements import checked, of_list
from shared.environments.resolve import resolve
from shared.packaging.base import base_of_root
from shared.packaging.extract import unpack
from shared.packaging.image import ImageConfig, assemble
from shared.ports import BuildProgress, BuildRequest
from shared.resources.environment_build import EnvironmentRecipe
from tests.contract.test_environment_builder import context_file, engine_builder, read_file
from tests.docker_registry import PASSWORD, USER, docker_registry
from tests.doubles.package_index import package_index
from tests.scenarios.test_container_engines import ENGINES, running, until
from tests.scenarios.test_image_runs import MACHINES, SOURCES

pytestmark = pytest.mark.slow

HOOK = 'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED'  # pip of a distribution installs nowhere else
REGISTRIES = """
unqualified-search-registries = []
[[registry]]
location = "{host}"
insecure = true
"""


@dataclass(frozen=True)
class Base:
    """An image in a registry."""

    reference: str  # by digest
    environ: dict[str, str]  # with which engines find it


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    """A Debian with python and pip, in a registry that wants a password."""
    if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
        pytest.skip("needs root and mmdebstrap (apt-get install mmdebstrap)")
    sources = next((path for path in SOURCES if os.path.exists(path) and os.path.getsize(path)), None)
    if sources is None or platform.machine() not in MACHINES:
        pytest.skip("mmdebstrap needs a Debian or Ubuntu with apt sources, on amd64 or arm64")
    folder = tmp_path_factory.mktemp("base")
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--skip=cleanup/reproducible",
               "--include=python3,python3-pip,python-is-python3", f"--customize-hook={HOOK}",
               release, str(folder / "root.tar"), sources]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    layout = folder / "layout"
    root = base_of_root(folder / "root.tar", layout, platform=MACHINES[platform.machine()])
    image = assemble(layout, [], ImageConfig(env={"PATH": "/usr/bin:/bin"}), platform=root.platform, base=root)
    (folder / "registry").mkdir()
    with docker_registry(folder / "registry") as registry:
        client = DistributionRegistry(registry.host, credentials=Credentials(USER, PASSWORD))
        digest = asyncio.run(client.push(layout, image, "base", "1"))
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (folder / "auth.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
        (folder / "registries.conf").write_text(REGISTRIES.format(host=registry.host))
        environ = {
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
        }
        yield Base(f"{registry.host}/base@{digest}", environ)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture
def builder(
    engine: EngineName, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EngineEnvironmentBuilder:
    for key, value in base.environ.items():
        monkeypatch.setenv(key, value)
    return engine_builder(tmp_path, engine, monkeypatch)


async def finished(builder: EngineEnvironmentBuilder, request: BuildRequest) -> BuildProgress:
    async with asyncio.timeout(request.timeout_s + 60):
        while (found := await builder.advance(request, "")).state in ("Queued", "Running"):
            pass
    return found


def of_dockerfile(text: str) -> BuildRequest:
    files = [context_file("Dockerfile", text.encode()), context_file("a", b"content")]
    return BuildRequest(EnvironmentRecipe(context=files, dockerfile_path="Dockerfile"), read_file, 600)


async def test_the_steps_of_a_dockerfile_run(builder: EngineEnvironmentBuilder, base: Base, tmp_path: Path) -> None:
    text = (
        f"FROM {base.reference}\nCOPY a /a\nRUN python -c 'print(open(\"/a\").read() * 2)' > /b\nRUN echo now it ran\n"
    )
    done = await finished(builder, of_dockerfile(text))
    assert (done.state, done.reason) == ("Succeeded", "")
    assert "now it ran" in done.log
    assert PASSWORD not in done.log
    unpack(tmp_path / "images", done.location.rpartition("@")[2], tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "b").read_text() == "contentcontent\n"
    copied = ["skopeo", "--insecure-policy", "inspect", f"{done.location.partition('@')[0]}"]
    assert json.loads(subprocess.check_output(copied))["Digest"] == done.location.rpartition("@")[2]


async def test_locked_packages_are_installed_on_a_base(
    builder: EngineEnvironmentBuilder, engine: EngineName, base: Base, tmp_path: Path
) -> None:
    async with package_index() as index:
        builder = EngineEnvironmentBuilder(tmp_path / "images", find_engine(engine), index_url=index.url)
        index.add("alpha", "1.0")
        pins = await resolve(checked(of_list(["alpha"])), "3.11", former=(), index_url=index.url, timeout_s=60)
        lock = [pin.line.strip() for pin in pins]
        recipe = EnvironmentRecipe(base_image=base.reference, python_version="3.11", lock=lock)
        done = await finished(builder, BuildRequest(recipe, read_file, 600))
    assert (done.state, done.reason) == ("Succeeded", "")
    unpack(tmp_path / "images", done.location.rpartition("@")[2], tmp_path / "unpacked")
    assert list((tmp_path / "unpacked").rglob("alpha/__init__.py"))


async def test_a_step_that_runs_ends_with_its_build(
    builder: EngineEnvironmentBuilder, base: Base, tmp_path: Path
) -> None:
    mark = f"{os.getpid()}{tmp_path.name}".encode()
    request = of_dockerfile(f"FROM {base.reference}\nRUN echo it sleeps && sleep 3600 && : {mark.decode()}\n")
    async with asyncio.timeout(300):
        while "it sleeps" not in (found := await builder.advance(request, "")).log.splitlines():
            assert found.state == "Running", found
    assert steps(mark)
    await builder.cancel(request.recipe.identity, "")
    await until(lambda: not steps(mark), "the step ended")
    assert running(tmp_path / "images") == []
    assert not list((tmp_path / "images").glob(".building-*"))
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def steps(mark: bytes) -> list[str]:
    """The processes whose command has the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found
