"""Hours of collected data on the Azure adapters: append blobs of Azurite, Cosmos DB's double, and jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobType

from shared.adapters.jobs.monitor_runner import JobMonitorRunner
from shared.adapters.jobs.works import JobWorks, WorkerPlace
from shared.ports import JobLimits, MonitorRunner
from shared.resources.collection_window import WINDOW_TERMINAL, CollectionWindowStatus, WindowPhase
from tests.azurite import AzuriteServer, azurite
from tests.contract.blob_stores import AzureBlobs
from tests.contract.test_collected_source import empty_container
from tests.doubles.worker_jobs import WorkerJobs
from tests.scenarios.azure_world import World, azure_world
from tests.scenarios.local_host import wait_until
from tests.scenarios.test_collected_windows import counts, event, monitored, rows, windows

__all__ = ["azurite"]  # fixture

HOURS = 2


class Azure:
    """The world, its container `collected`, and its jobs."""

    world: World
    container: Any
    jobs: WorkerJobs

    async def append(self, hours_ago: int, some: Sequence[Mapping[str, Any]], run: str) -> str:
        """What the deployment writes in an hour, a request a row; the blob's path."""
        when = datetime.now(UTC) - timedelta(hours=hours_ago)
        path = f"live/blue/model_inputs/{when:%Y/%m/%d/%H}/instance.jsonl"
        lines = [
            {
                "specversion": "1.0",
                "id": f"{run}{number}",
                "time": when.isoformat(),
                "correlationid": "c",
                "data": [row],
            }
            for number, row in enumerate(some)
        ]
        content = "".join(json.dumps(one) + "\n" for one in lines)
        await self.container.upload_blob(path, content.encode(), blob_type=BlobType.APPENDBLOB)
        return path

    async def sketched(self) -> list[CollectionWindowStatus]:
        """The windows when none is under way."""

        async def found() -> bool:
            return all(one.status["phase"] in WINDOW_TERMINAL for one in await windows(self.world.plane))

        await wait_until(found, 60, "the windows are sketched", poll_s=0.1)
        return [CollectionWindowStatus.model_validate(one.status) for one in await windows(self.world.plane)]


@pytest.fixture
async def azure(azurite: AzuriteServer, tmp_path: Path) -> AsyncIterator[Azure]:
    made = Azure()

    def monitors(blobs: AzureBlobs) -> MonitorRunner:
        made.jobs = WorkerJobs(blobs.service, blobs.store, tmp_path / "pods")
        place = WorkerPlace("slipway-jobs", "https://blobs.example", "", JobLimits())
        return JobMonitorRunner(JobWorks(lambda: made.jobs, blobs.store, place), 60)

    async with azure_world(azurite, tmp_path, monitors, collected_settle_s=0) as made.world:
        made.container = await empty_container(made.world.blobs.service)
        yield made


async def test_blobs_are_sketched_by_jobs_and_runs_take_the_sketches(azure: Azure) -> None:
    plane = azure.world.plane
    await monitored(plane)
    paths = [await azure.append(hour + 2, rows(shift=hour), f"r{hour}-") for hour in range(HOURS)]
    read = await counts(plane)
    assert read[:2] == (HOURS * 60, 0)
    await asyncio.gather(
        *(azure.world.planes[place % 2].storage_event(event(path)) for place, path in enumerate(paths * 3))
    )
    assert [one.phase for one in await azure.sketched()] == [WindowPhase.SKETCHED] * HOURS
    assert (await counts(plane))[:2] == (HOURS * 60, HOURS * 60)
    log = next(one for one in await jobs_of(azure, "m-") if "sketches of" in one)
    assert "0 files of live/blue/model_inputs" in log, "no blob of a sketched hour is fetched"
    assert len([name for name in azure.jobs.started if name.startswith("w-")]) == HOURS


@pytest.mark.slow
async def test_what_is_appended_without_an_event_is_read_and_sketched_for_the_next_run(azure: Azure) -> None:
    plane = azure.world.plane
    await monitored(plane)
    paths = [await azure.append(hour + 2, rows(shift=hour), f"r{hour}-") for hour in range(HOURS)]
    for path in paths:
        await plane.storage_event(event(path))
    await azure.sketched()
    await azure.append(3, rows(7), "late")
    assert (await counts(plane))[:2] == (HOURS * 60 + 7, (HOURS - 1) * 60)
    assert sorted(one.attempt for one in await azure.sketched()) == [1, 2]
    assert (await counts(plane))[:2] == (HOURS * 60 + 7, HOURS * 60 + 7)


async def jobs_of(azure: Azure, prefix: str) -> list[str]:
    """What the jobs of these names printed."""
    return [(await azure.jobs.look(name)).log for name in azure.jobs.started if name.startswith(prefix)]
