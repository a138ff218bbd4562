"""What every ModelOptimizer promises: in processes of this machine, and in jobs of a cluster."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.jobs.optimizer import JobOptimizer
from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.adapters.local.optimizer import LocalOptimizer
from shared.adapters.local.signing import UrlSigner
from shared.ports import ArtifactStore, ModelOptimizer, OptimizationProgress, OptimizationRequest
from shared.resources.build import StoredText
from shared.resources.model import ModelFile
from shared.resources.optimization import Variant
from shared.resources.optimization_job import OptimizationSpec
from tests.contract.azure_jobs import JobsPlace, jobs_place
from tests.scenarios.local_host import ROOT
from tests.scenarios.optimization_models import ENVIRONMENTS
from tests.scenarios.test_azure_end_to_end import trust_others

ROWS = b"a,b\n1,2\n3,4\n"


@dataclass
class Place:
    optimizer: ModelOptimizer
    artifacts: ArtifactStore
    jobs: JobsPlace | None = None

    async def request(self, name: str, model: bytes, sample: bytes = ROWS, **more: Any) -> OptimizationRequest:
        stored, rows = await self.store(model), await self.store(sample)
        spec = OptimizationSpec(
            model_name="m",
            model_version="1",
            files=[ModelFile(path=name, sha256=stored.sha256, size_bytes=stored.size_bytes)],
            sample=rows,
            sample_name=more.pop("sample_name", "rows.csv"),
            register_as="m-onnx",
            **more,
        )
        return OptimizationRequest("o-1", spec, self.artifacts.read, self.artifacts.put, 900)

    async def store(self, content: bytes) -> StoredText:
        async def once() -> AsyncIterator[bytes]:
            yield content

        made = await self.artifacts.put(once())
        return StoredText(sha256=made.sha256, size_bytes=made.size_bytes)

    async def until(
        self,
        request: OptimizationRequest,
        is_so: Callable[[OptimizationProgress], bool] = lambda seen: bool(seen.reason or seen.result),
        within_s: float = 60,
    ) -> OptimizationProgress:
        run_id = ""
        async with asyncio.timeout(within_s):
            while not is_so(seen := await self.optimizer.advance(request, run_id)):
                run_id = seen.run_id
                await asyncio.sleep(0.05)
        return seen


@asynccontextmanager
async def local_place(folder: Path) -> AsyncIterator[Place]:
    artifacts = LocalArtifactStore(folder, UrlSigner("k" * 32, SystemClock()))
    yield Place(LocalOptimizer(folder / "work", LocalEnvironmentBuilder(ENVIRONMENTS)), artifacts)


@asynccontextmanager
async def cluster_place(folder: Path) -> AsyncIterator[Place]:
    async with jobs_place(folder) as jobs:
        yield Place(JobOptimizer(jobs.works, ""), jobs.artifacts, jobs)


PLACES = {"local": local_place, "jobs": cluster_place}


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with PLACES[request.param](tmp_path) as found:
        yield found


async def test_what_cannot_be_optimised_ends_with_its_reason_and_one_that_is_canceled_ends(place: Place) -> None:
    seen = await place.until(await place.request("weights.bin", b"1"))
    assert seen.result is None
    assert "is no model of a known kind" in seen.reason
    assert "sklearn" in seen.reason
    await place.optimizer.cancel("o-1")  # it has ended: nothing happens
    await place.optimizer.cancel("o-2")  # there is none
    if place.jobs is not None:
        assert place.jobs.identities() == {"fetch": True, "run": False, "job": True}
        assert place.jobs.azure.tokens.pods_token not in place.jobs.applied()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_verified_variants_are_stored_under_the_digests_that_are_told(place: Place, tmp_path: Path) -> None:
    """The example model; the packages of its kind come from what this machine takes packages from."""
    if place.jobs is not None:
        trust_others(place.jobs.azure, tmp_path)
    numpy = pytest.importorskip("numpy")
    rows = io.BytesIO()
    numpy.save(rows, numpy.random.default_rng(0).normal(size=(100, 10)).astype("float32"))
    content = (ROOT / "examples" / "diabetes" / "model.onnx").read_bytes()
    variants = [Variant.ONNX, Variant.GRAPH]
    request = await place.request("model.onnx", content, rows.getvalue(), sample_name="rows.npy", variants=variants)
    seen = await place.until(request, within_s=800)
    assert seen.result is not None, seen
    verified = [one for one in seen.result.variants if one.verified]
    assert verified
    for one in verified:
        stored = b"".join([chunk async for chunk in place.artifacts.read(one.sha256)])
        assert len(stored) == one.size_bytes
    assert {"no sockets", "writes in its folder only"} <= set(seen.result.proof.protections)
