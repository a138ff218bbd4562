"""Work in jobs of Slipway's own image, on a cluster whose nodes run programs of this machine: what becomes of a job
that ends badly. What ends well is in tests/scenarios/test_azure_end_to_end.py."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.adapters.jobs.profiler import JobProfiler
from shared.adapters.jobs.works import JobWorks, WorkerPlace, log_of
from shared.adapters.local.artifact_store import LocalArtifactStore
from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signing import UrlSigner
from shared.errors import Invalid, Permanent, Retryable
from shared.ports import JobLimits, JobProgress, ProfileRequest
from shared.resources.build import StoredText
from shared.resources.data_profile import DataTable
from shared.resources.environment_build import EnvironmentRecipe
from shared.resources.job_work import DataProfileOutcome, DataProfileWork, ProfileWork
from shared.resources.profile_job import ProfileSpec
from tests.contract.job_places import Place, kubernetes_place

WORK = DataProfileWork(profile_id="d", label="rows:1", table=DataTable(parts=[]), timeout_s=60)
WITHIN_S = 60


@dataclass
class Cluster:
    """A cluster, and the program that its image has as `python3`."""

    place: Place
    works: JobWorks
    program: Path

    def runs(self, script: str) -> None:
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    async def ended(self, run_id: str = "job") -> JobProgress:
        async with asyncio.timeout(WITHIN_S):
            while not (seen := await self.works.look("job", WORK, run_id)).has_ended:
                await asyncio.sleep(0.02)
        return seen


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with kubernetes_place(tmp_path) as place:
        assert place.double is not None
        assert place.double.jobs is not None
        (tmp_path / "bin").mkdir()
        place.double.jobs.image_environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        artifacts = LocalArtifactStore(tmp_path, UrlSigner("k" * 32, SystemClock()))
        where = WorkerPlace(place.image, "https://a.example", "", JobLimits())
        yield Cluster(place, JobWorks(lambda: place.runner, artifacts, where), tmp_path / "bin" / "python3")


async def test_a_job_that_reached_no_service_is_begun_anew(cluster: Cluster, tmp_path: Path) -> None:
    cluster.runs("echo 'storage was away'; exit 75")
    with pytest.raises(Retryable, match="storage was away"):
        await cluster.ended()
    cluster.runs("echo better; exit 1")
    assert log_of(await cluster.ended()) == "better\n"


async def test_a_job_that_fails_says_what_it_printed(cluster: Cluster) -> None:
    cluster.runs("echo 'no such column'; exit 1")
    with pytest.raises(Permanent, match=r"exit code 1: no such column"):
        await cluster.works.outcome(await cluster.ended(), DataProfileOutcome)


async def test_an_outcome_of_another_version_is_told(cluster: Cluster) -> None:
    cluster.runs("echo surprise > $SLIPWAY_JOB_RESULT")
    with pytest.raises(Permanent, match="SLIPWAY_JOB_IMAGE"):
        await cluster.works.outcome(await cluster.ended(), DataProfileOutcome)


async def test_a_job_of_another_time_and_one_whose_pod_went_are_begun_anew(cluster: Cluster, tmp_path: Path) -> None:
    cluster.runs(f"echo once >> {tmp_path / 'starts'}; exit 1")
    await cluster.ended()
    await cluster.works.look("job", WORK, "")  # nobody knows of a run: that one is of another time
    await cluster.ended()
    assert (tmp_path / "starts").read_text() == "once\n" * 2
    cluster.runs(f"echo once >> {tmp_path / 'starts'}; [ -e {tmp_path / 'go'} ] || sleep 600; exit 1")
    await cluster.works.look("job", WORK, "")
    async with asyncio.timeout(WITHIN_S):
        while (tmp_path / "starts").read_text() != "once\n" * 3:
            await cluster.works.look("job", WORK, "job")
            await asyncio.sleep(0.02)
    (tmp_path / "go").touch()
    double = cluster.place.double
    assert double is not None
    assert double.jobs is not None
    (pod,) = double.names("pods")
    await double.jobs.kubelet.remove(f"{pod}.job")
    del double.cluster.objects["pods", "slipway", pod]  # its node went
    assert (await cluster.ended()).exit_code == 1
    assert (tmp_path / "starts").read_text() == "once\n" * 4


async def test_a_profile_takes_the_installations_own_prices_along(cluster: Cluster, tmp_path: Path) -> None:
    table = {"source": "ours", "currency": "EUR", "hoursPerMonth": 730, "targets": []}
    (tmp_path / "prices.json").write_text(json.dumps(table))
    spec = ProfileSpec(
        model_name="m",
        model_version="1",
        files=[],
        environment="e:1",
        sample=StoredText(sha256="0" * 64, size_bytes=1),
        sample_name="rows.jsonl",
        target_rps=1,
        p99_ms=1,
        max_memory_gb=1,
    )
    request = ProfileRequest("p-1", spec, "", (), cluster.works._artifacts.read, 60, EnvironmentRecipe())
    await JobProfiler(cluster.works, "", 2, str(tmp_path / "prices.json")).advance(request, "")
    assert cluster.place.double is not None
    (name,) = cluster.place.double.names("jobs")
    steps = cluster.place.double.one("jobs", name)["spec"]["template"]["spec"]["initContainers"]
    assert [step["name"] for step in steps] == ["fetch", "run"]
    asked = b"".join([chunk async for chunk in cluster.works._artifacts.read(steps[0]["command"][-2])])
    assert json.loads(ProfileWork.model_validate_json(asked).prices)["source"] == "ours"
    (tmp_path / "prices.json").write_text("[]")
    with pytest.raises(Invalid, match=r"prices\.json"):
        await JobProfiler(cluster.works, "", 2, str(tmp_path / "prices.json")).advance(request, "")


async def test_what_a_job_waits_for_is_told(cluster: Cluster) -> None:
    place = WorkerPlace("registry.example/missing", "https://a.example", "", JobLimits())
    works = JobWorks(lambda: cluster.place.runner, cluster.works._artifacts, place)
    async with asyncio.timeout(WITHIN_S):
        while "Back-off pulling image" not in log_of(seen := await works.look("other", WORK, "other")):
            await asyncio.sleep(0.02)
    assert not seen.has_ended  # it waits, and is told so
    await works.cancel("other")
