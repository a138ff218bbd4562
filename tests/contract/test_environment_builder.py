"""What every EnvironmentBuilder keeps: uv and container engines here, and Azure Container Registry's double."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters.azure.acr_runs import AcrRuns
from shared.adapters.azure.acr_tasks import AcrTasksBuilder
from shared.adapters.local.container_engines import ORDER, EngineName, find_engine
from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.environments.lock import Pin
from shared.environments.requirements import checked, of_list
from shared.environments.resolve import resolve
from shared.packaging.extract import unpack
from shared.ports import BuildProgress, BuildRequest, EnvironmentBuilder
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.model import ModelFile
from tests.doubles.acr_tasks import LOGIN_SERVER, REGISTRY_ID, AcrDouble, acr_double
from tests.doubles.arm_event_subscriptions import TokenCredential
from tests.doubles.package_index import PackageIndex, package_index

COPYING = b"FROM scratch\nCOPY wanted /wanted\n"
FAILING = b"FROM scratch\nRUN fail\n"
CONTENTS: dict[str, bytes] = {}  # of the build contexts of these tests, by their SHA-256


async def read_file(sha256: str) -> AsyncIterator[bytes]:
    """The content of a file of a build context."""
    yield CONTENTS[sha256]


def context_file(path: str, content: bytes) -> ModelFile:
    sha256 = hashlib.sha256(content).hexdigest()
    CONTENTS[sha256] = content
    return ModelFile(path=path, sha256=sha256, size_bytes=len(content))


@dataclass
class Subject:
    builder: EnvironmentBuilder
    index: PackageIndex
    acr: AcrDouble | None
    folder: Path

    async def pins(self, *requirements: str) -> tuple[Pin, ...]:
        asked = checked(of_list(requirements))
        return await resolve(asked, "3.11", former=(), index_url=self.index.url, timeout_s=60)

    async def request(self, *requirements: str) -> BuildRequest:
        if isinstance(self.builder, EngineEnvironmentBuilder):  # no base image with a Python can be had here
            files = [context_file("Dockerfile", COPYING), context_file("wanted", "\n".join(requirements).encode())]
            return BuildRequest(EnvironmentRecipe(context=files, dockerfile_path="Dockerfile"), read_file, 120)
        lock = [pin.line.strip() for pin in await self.pins(*requirements)]
        return BuildRequest(EnvironmentRecipe(python_version="3.11", lock=lock), read_file, 120)

    async def finish(self, request: BuildRequest, run_id: str = "") -> BuildProgress:
        async with asyncio.timeout(60):
            while (found := await self.builder.advance(request, run_id)).state in ("Queued", "Running"):
                run_id = found.run_id
            return found

    def local(self) -> LocalEnvironmentBuilder:
        if not isinstance(self.builder, LocalEnvironmentBuilder):
            pytest.skip("only of a builder on this machine")
        return self.builder


@pytest.fixture(params=["local", "azure", *ORDER])
async def subject(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Subject]:
    async with AsyncExitStack() as stack:
        index = await stack.enter_async_context(package_index())
        index.add("alpha", "1.0")
        index.add("beta", "1.0", ["alpha"])
        if request.param == "azure":
            acr = await stack.enter_async_context(acr_double())
            runs = AcrRuns(REGISTRY_ID, TokenCredential(), acr.url, index_url=index.url)  # type: ignore[arg-type]
            yield Subject(AcrTasksBuilder(runs), index, acr, tmp_path)
            return
        if request.param in ORDER:
            yield Subject(engine_builder(tmp_path, request.param, monkeypatch), index, None, tmp_path)
            return
        yield Subject(LocalEnvironmentBuilder(tmp_path / "environments", index.url), index, None, tmp_path)


def engine_builder(folder: Path, name: EngineName, monkeypatch: pytest.MonkeyPatch) -> EngineEnvironmentBuilder:
    """The builder with this engine. Skips where it is not present."""
    engine = find_engine(name)
    if engine is None:
        pytest.skip(f"{name} is not present (apt-get install {name})")
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")  # what works in a container, too
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    return EngineEnvironmentBuilder(folder / "images", engine)


async def test_a_build_ends_with_a_place_and_a_log(subject: Subject) -> None:
    request = await subject.request("beta")
    done = await subject.finish(request)
    assert (done.state, done.reason) == ("Succeeded", "")
    assert done.log
    if subject.acr is not None:
        assert done.location.startswith(f"{LOGIN_SERVER}/slipway/environments@sha256:")
        (run,) = subject.acr.runs.values()
        assert run.asked["imageNames"] == [f"slipway/environments:{request.recipe.identity}"]
        assert run.files["requirements.lock"] == request.lock
        assert "--require-hashes" in run.files["Dockerfile"]
        assert run.asked["arguments"] == [{"name": "PIP_INDEX_URL", "value": subject.index.url, "isSecret": False}]
        return
    if isinstance(subject.builder, EngineEnvironmentBuilder):
        digest = done.location.removeprefix(f"oci:{subject.folder}/images:{request.recipe.identity}@")
        unpack(subject.folder / "images", digest, subject.folder / "unpacked")
        assert (subject.folder / "unpacked" / "wanted").read_text() == "beta"
        assert done.size_bytes > 0
        return
    code = "import alpha, beta, sys; print(alpha.__version__, beta.__version__, sys.version_info[:2])"
    python = Path(done.location) / "bin" / "python"
    assert subprocess.check_output([python, "-c", code], text=True) == "1.0 1.0 (3, 11)\n"


async def test_what_is_done_is_not_done_again(subject: Subject) -> None:
    request = await subject.request("alpha")
    first = await subject.finish(request)
    subject.index.requests.clear()
    again = await subject.builder.advance(request, first.run_id)
    assert (again.state, again.location) == ("Succeeded", first.location)
    assert subject.index.requests == []
    assert subject.acr is None or len(subject.acr.runs) == 1


async def test_a_run_that_is_forgotten_is_begun_again(subject: Subject) -> None:
    request = await subject.request("alpha")
    assert (await subject.finish(request, "gone")).state == "Succeeded"


async def test_a_failed_build_says_why(subject: Subject) -> None:
    recipe = EnvironmentRecipe(context=[context_file("Dockerfile", FAILING)], dockerfile_path="Dockerfile")
    done = await subject.finish(BuildRequest(recipe, read_file, 60))
    assert done.state == "Failed"
    expected = "ended as Failed" if subject.acr else "Dockerfile is built by Azure Container Registry"
    if isinstance(subject.builder, EngineEnvironmentBuilder):
        expected = "the image cannot be built by"
    assert expected in done.reason


async def test_a_canceled_run_never_succeeds(subject: Subject) -> None:
    request = await subject.request("alpha")
    begun = await subject.builder.advance(request, "")
    await subject.builder.cancel(request.recipe.identity, begun.run_id)
    if subject.acr is not None:
        assert (await subject.finish(request, begun.run_id)).state == "Canceled"
    await subject.builder.cancel(request.recipe.identity, "never-begun")


async def test_what_a_builder_lacks_is_named_before_anything_is_begun(subject: Subject) -> None:
    recipe = EnvironmentRecipe(os_type="windows", python_version="3.11", conda_packages=["numpy=1.20"])
    lacking = subject.builder.lacks(recipe)
    assert any("windows" in one for one in lacking)
    done = await subject.builder.advance(BuildRequest(recipe, read_file, 60), "")
    assert done.state == "Failed"
    assert all(one in done.reason for one in lacking)
    if isinstance(subject.builder, LocalEnvironmentBuilder):
        assert any("conda package numpy=1.20" in one for one in lacking)
        assert subject.builder.lacks(EnvironmentRecipe(python_version="3.11", lock=["a"])) == ()


async def test_a_lock_with_another_hash_is_refused(subject: Subject) -> None:
    builder = subject.local()
    request = await subject.request("beta")
    tampered = [line.replace("--hash=sha256:", "--hash=sha256:0")[:-1] for line in request.recipe.lock]
    recipe = EnvironmentRecipe(python_version="3.11", lock=tampered)
    done = await subject.finish(BuildRequest(recipe, read_file, 60))
    assert done.state == "Failed"
    assert "hash mismatch" in done.reason.lower()
    assert builder.ready(recipe.identity) is None
    assert not list((subject.folder / "environments").glob(".building-*"))


async def test_an_environment_that_was_changed_is_built_again(subject: Subject) -> None:
    builder = subject.local()
    request = await subject.request("alpha")
    done = await subject.finish(request)
    module = next(Path(done.location).rglob("alpha/__init__.py"))
    for change in (lambda: module.unlink(), lambda: module.with_name("more.py").write_text("x")):
        change()
        assert builder.ready(request.recipe.identity) is None
        assert (await subject.finish(request)).state == "Succeeded"
        assert builder.ready(request.recipe.identity) == Path(done.location)
        assert module.exists()


async def test_what_using_it_writes_leaves_it_whole(subject: Subject) -> None:
    builder = subject.local()
    request = await subject.request("alpha")
    done = await subject.finish(request)
    subprocess.run([Path(done.location) / "bin" / "python", "-m", "compileall", "-q", done.location], check=True)
    assert builder.ready(request.recipe.identity) is not None


async def test_two_processes_build_an_identity_once(subject: Subject) -> None:
    subject.local()
    other = LocalEnvironmentBuilder(subject.folder / "environments", subject.index.url)
    request = await subject.request("beta")
    subject.index.requests.clear()
    done = await asyncio.gather(
        subject.finish(request), Subject(other, subject.index, None, subject.folder).finish(request)
    )
    assert {one.state for one in done} == {"Succeeded"}
    assert {one.location for one in done} == {done[0].location}
    assert len([one for one in subject.index.requests if one.startswith("/files/")]) <= 2  # one for each wheel


async def test_what_nobody_keeps_is_collected(subject: Subject) -> None:
    request, other = await subject.request("alpha"), await subject.request("beta")
    for one in (request, other):
        await subject.finish(one)
    later = datetime.now(UTC) + timedelta(hours=1)
    kept = {request.recipe.identity}
    assert await subject.builder.collect(kept, later - timedelta(days=1)) == ()
    gone = await subject.builder.collect(kept, later)
    if subject.acr is not None:
        assert gone == ()
        return
    assert gone == (other.recipe.identity,)
    assert await subject.builder.collect(kept, later) == ()
    for one in (request, other):
        assert (await subject.finish(one)).state == "Succeeded"


async def test_the_azure_builder_sends_its_token_nowhere_else(subject: Subject) -> None:
    if subject.acr is None:
        pytest.skip("only of Azure")
    unset = AcrTasksBuilder(AcrRuns("", TokenCredential(), subject.acr.url))  # type: ignore[arg-type]
    progress = await unset.advance(await subject.request("alpha"), "")
    assert progress.state == "Failed"
    assert "SLIPWAY_CONTAINER_REGISTRY_ID" in progress.reason
    secret = AcrRuns(REGISTRY_ID, TokenCredential(), subject.acr.url, index_url="https://me:pw@index.example")  # type: ignore[arg-type]
    progress = await AcrTasksBuilder(secret).advance(await subject.request("alpha"), "")
    assert "without credentials" in progress.reason
    assert "pw" not in progress.reason
    assert subject.acr.runs == {}
