"""What every ImageBuilder keeps: an OCI layout on this machine, and Azure Container Registry's double."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters.azure.acr_images import MAX_MODEL_BYTES, AcrImageBuilder
from shared.adapters.azure.acr_runs import AcrRuns
from shared.adapters.local.image_builder import LocalImageBuilder
from shared.adapters.local.layout_locks import in_use
from shared.packaging.descriptor import Descriptor
from shared.packaging.layout import read_index, ref_name, verify_blob
from shared.packaging.reachable import blobs_of
from shared.packaging.registry import ImageRegistry
from shared.ports import BuildProgress, ImageBuilder, ImageRequest
from shared.resources.image import ImageRecipe
from shared.resources.model import ModelFile
from tests.doubles.acr_tasks import LOGIN_SERVER, REGISTRY_ID, AcrDouble, acr_double
from tests.doubles.arm_event_subscriptions import TokenCredential

WEIGHTS = b"the weights of a model"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
FILE = ModelFile(path="files/model.onnx", sha256=SHA256, size_bytes=len(WEIGHTS))


async def read_file(sha256: str) -> AsyncIterator[bytes]:
    """The content of the model of these tests, in two pieces."""
    assert sha256 == SHA256
    yield WEIGHTS[:5]
    yield WEIGHTS[5:]


_SEEDS: list[Path] = []  # of this process


def no_registry(host: str) -> ImageRegistry:
    raise AssertionError(f"{host} is asked for, and nothing is to be pulled or pushed")


@dataclass
class Subject:
    builder: ImageBuilder
    acr: AcrDouble | None
    folder: Path

    def request(self, **changes: object) -> ImageRequest:
        fields: dict[str, object] = {
            "model_name": "diabetes",
            "model_version": "3",
            "files": [FILE],
            "environment_identity": "e" * 64,
            "python_version": "3.11",
            "base_image": self.builder.base_image,
            "server": self.builder.server,
            "platforms": ["linux/amd64"],
        }
        return ImageRequest(ImageRecipe.model_validate({**fields, **changes}), read_file, 300)

    async def finish(self, request: ImageRequest, run_id: str = "") -> BuildProgress:
        async with asyncio.timeout(120):
            while (found := await self.builder.advance(request, run_id)).state in ("Queued", "Running"):
                run_id = found.run_id
            return found


@pytest.fixture(params=["local", "azure"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    async with AsyncExitStack() as stack:
        if request.param == "azure":
            acr = await stack.enter_async_context(acr_double())
            runs = AcrRuns(REGISTRY_ID, TokenCredential(), acr.url)  # type: ignore[arg-type]
            yield Subject(AcrImageBuilder(runs, "slipway.azurecr.io/base:1"), acr, tmp_path)
            return
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "README").write_text("a root file system")
        if not {"killed", "canceled"} & set(request.node.originalname.split("_")):  # they need the time that it takes
            await seeded(tmp_path / "images", request.getfixturevalue("tmp_path_factory"))
        builder = LocalImageBuilder(tmp_path / "images", no_registry, base_image=str(tmp_path / "root"))
        yield Subject(builder, None, tmp_path)


async def seeded(images: Path, factory: pytest.TempPathFactory) -> None:
    """Put the server's packages into a folder of images: making that layer takes five seconds, so it is made once."""
    if not _SEEDS:
        folder = factory.mktemp("seed")
        (folder / "root").mkdir()
        builder = LocalImageBuilder(folder / "images", no_registry, base_image=str(folder / "root"))
        subject = Subject(builder, None, folder)
        assert (await subject.finish(subject.request())).state == "Succeeded"
        _SEEDS.append(folder / "images")
    layers = _SEEDS[0] / "layers"
    shutil.copytree(layers, images / "layers")
    for kept in layers.iterdir():
        algorithm, _, digest = json.loads(kept.read_text())["digest"].partition(":")
        blob = images / "blobs" / algorithm / digest
        blob.parent.mkdir(parents=True, exist_ok=True)
        os.link(_SEEDS[0] / "blobs" / algorithm / digest, blob)


async def test_an_image_has_a_reference_by_digest(subject: Subject) -> None:
    request = subject.request(entry_script="files/score.py")
    done = await subject.finish(request)
    assert (done.state, done.reason) == ("Succeeded", "")
    assert "@sha256:" in done.location
    assert done.log
    if subject.acr is None:
        return
    assert done.location.startswith(f"{LOGIN_SERVER}/slipway/models@sha256:")
    (run,) = subject.acr.runs.values()
    assert run.asked["imageNames"] == [f"slipway/models:{request.recipe.identity}"]
    assert run.files["azureml-models/diabetes/3/files/model.onnx"] == WEIGHTS.decode()
    assert "onnxruntime==" in run.files["requirements.lock"]
    assert run.files["Dockerfile"].startswith("FROM slipway.azurecr.io/base:1\n")
    assert 'ENV AZUREML_ENTRY_SCRIPT="files/score.py"' in run.files["Dockerfile"]
    assert "azureml-app/shared/scoring/__main__.py" in run.files


async def test_what_is_made_is_not_made_again(subject: Subject) -> None:
    request = subject.request()
    first = await subject.finish(request)
    began = asyncio.get_running_loop().time()
    again = await subject.finish(request, first.run_id)
    assert (again.state, again.location) == ("Succeeded", first.location)
    assert asyncio.get_running_loop().time() - began < 2
    assert subject.acr is None or len(subject.acr.runs) == 1


async def test_a_run_that_is_forgotten_is_begun_again(subject: Subject) -> None:
    assert (await subject.finish(subject.request(), "gone")).state == "Succeeded"


async def test_what_a_builder_lacks_is_named_before_anything_is_begun(subject: Subject) -> None:
    recipe = subject.request(platforms=["linux/amd64", "linux/s390x"]).recipe
    assert subject.builder.lacks(recipe)
    assert subject.builder.lacks(subject.request().recipe) == ()
    if subject.acr is not None:
        large = FILE.model_copy(update={"size_bytes": MAX_MODEL_BYTES + 1})
        (lacking,) = subject.builder.lacks(subject.request(files=[large]).recipe)
        assert "--context" in lacking


async def test_a_canceled_run_never_succeeds(subject: Subject) -> None:
    request = subject.request()
    begun = await subject.builder.advance(request, "")
    if begun.state == "Succeeded":
        pytest.skip("it was made within a look")
    await subject.builder.cancel(request.recipe.identity, begun.run_id)
    if subject.acr is not None:
        assert (await subject.finish(request, begun.run_id)).state == "Canceled"
    else:
        assert not list((subject.folder / "images").glob(".work-*"))
    await subject.builder.cancel(request.recipe.identity, "never-begun")


async def test_a_file_with_other_bytes_than_were_registered_is_refused(subject: Subject) -> None:
    if subject.acr is not None:
        pytest.skip("the context is read as it is; the artifact store verifies what it gives")
    wrong = FILE.model_copy(update={"size_bytes": FILE.size_bytes + 1})
    done = await subject.finish(subject.request(files=[wrong]))
    assert done.state == "Failed"
    assert "files/model.onnx has 22 bytes in the store, 23 were registered" in done.reason


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.contract.test_image_builder import *
folder = Path(sys.argv[1])
builder = LocalImageBuilder(folder / "images", no_registry, base_image=str(folder / "root"))
subject = Subject(builder, None, folder)
print("begins", flush=True)
asyncio.run(subject.finish(subject.request()))
"""


async def test_one_that_was_killed_leaves_nothing_that_is_taken_for_an_image(subject: Subject) -> None:
    if subject.acr is not None:
        pytest.skip("only of a builder on this machine")
    for after_s in (0.2, 0.6, 1.2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(subject.folder)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await asyncio.sleep(after_s)
        process.kill()
        process.wait()
        process.stdout.close()
    request = subject.request()
    done = await subject.finish(replace(request))
    assert done.state == "Succeeded"
    clean = LocalImageBuilder(subject.folder / "clean", no_registry, base_image=subject.builder.base_image)
    other = await Subject(clean, None, subject.folder).finish(request)
    assert done.location.rpartition("@")[2] == other.location.rpartition("@")[2]
    assert not list((subject.folder / "images").glob(".work-*"))


def verified(subject: Subject, done: BuildProgress) -> set[str]:
    """The blobs of an image that is whole."""
    layout, digest = subject.folder / "images", done.location.rpartition("@")[2]
    entry = next(one for one in read_index(layout) if one["digest"] == digest)
    blobs = {one.digest for one in blobs_of(layout, Descriptor.parse(entry, "index.json"))}
    for blob in blobs:
        verify_blob(layout, blob)
    return blobs


def stored(subject: Subject) -> set[str]:
    return {f"sha256:{one.name}" for one in (subject.folder / "images" / "blobs" / "sha256").iterdir()}


async def test_what_nobody_keeps_is_collected_with_what_only_it_has(subject: Subject) -> None:
    kept, other = subject.request(), subject.request(model_version="4")
    done = [await subject.finish(one) for one in (kept, other)]
    later = datetime.now(UTC) + timedelta(hours=1)
    names = {kept.recipe.identity}
    assert await subject.builder.collect(names, later - timedelta(days=1)) == ()  # they are too young
    if subject.acr is not None:
        assert await subject.builder.collect(names, later) == ()
        return
    alone = verified(subject, done[1]) - verified(subject, done[0])
    assert alone
    assert await subject.builder.collect(names, later) == (other.recipe.identity,)
    assert not alone & stored(subject)
    blobs = verified(subject, done[0])
    assert len(stored(subject) - blobs) > 0  # its bill of materials
    assert len(read_index(subject.folder / "images")) == 2
    assert await subject.builder.collect((), later) == (kept.recipe.identity,)
    assert stored(subject) == set()
    assert not list((subject.folder / "images" / "layers").iterdir())
    again = await subject.finish(kept)
    assert again.location == done[0].location
    verified(subject, again)


async def test_nothing_is_collected_while_something_is_made(subject: Subject) -> None:
    if subject.acr is not None:
        pytest.skip("only of a builder on this machine")
    later = datetime.now(UTC) + timedelta(hours=1)
    done = await subject.finish(subject.request())
    async with in_use(subject.folder / "images"):
        assert await subject.builder.collect((), later) == ()
    verified(subject, done)
    assert await subject.builder.collect((), later) != ()


async def test_what_is_made_stays_whole_while_others_are_collected(subject: Subject) -> None:
    if subject.acr is not None:
        pytest.skip("only of a builder on this machine")
    collector = LocalImageBuilder(subject.folder / "images", no_registry)
    gone: list[str] = []
    ended = asyncio.Event()

    async def collects() -> None:
        while not ended.is_set():
            before = datetime.now(UTC)
            gone.extend(await collector.collect((), before))
            await asyncio.sleep(0.005)

    task = asyncio.create_task(collects())
    for number in range(4):
        request = subject.request(model_version=str(number % 2))
        async with in_use(subject.folder / "images"):  # from here on it stays
            done = await subject.finish(request)
            assert (done.state, done.reason) == ("Succeeded", "")
            assert request.recipe.identity in {ref_name(one) for one in read_index(subject.folder / "images")}
            verified(subject, done)
        assert (await subject.finish(subject.request(model_version="other"))).state == "Succeeded"
    async with asyncio.timeout(60):
        while not gone:
            await asyncio.sleep(0.01)
    ended.set()
    await task
