"""The garbage collection beside registrations and deletions: nothing that a version refers to is ever missing."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.bootstrap import ControlPlane
from shared.errors import NotFound, Retryable
from shared.ports import ResourceQuery
from shared.registry.garbage import GarbageCollector
from shared.resources.model import ModelSpec
from tests.contract.resource_samples import every
from tests.plane import CAUSE, make_plane, stage

REGISTRATIONS, MANY_REGISTRATIONS = 250, 1000
TRIES = 10
RETENTION_S = 1.5  # registrations commit within half of it, or store their files again


async def register(plane: ControlPlane, number: int) -> None:
    """One registration of one of 30 contents, 10 of them at a time: each comes back when it has just grown old."""
    upload_id = f"u-{number:08d}"
    for _ in range(TRIES):
        stage(plane, upload_id, "model.bin", content(number))
        with suppress(Retryable):  # on a busy machine it took longer than files are kept: a client asks again
            await plane.intake.request(
                upload_id,
                CAUSE,
                manifest=f"name: m{number % 7}\npath: model.bin\n",
                declaration=None,
                manifest_file="model.yml",
                overrides={},
                files=None,
            )
            return
    raise AssertionError(f"{upload_id} could not be registered in {TRIES} tries")


def content(number: int) -> bytes:
    return b"content %d" % (number // 100 % 3 * 10 + number % 10)


async def delete(plane: ControlPlane, number: int) -> None:
    """Delete the newest version of a model, if it has one: its file may be nobody's then."""
    with suppress(NotFound):  # none there yet, or all deleted
        await plane.deps.lifecycle.delete(f"m{number % 7}", "latest", CAUSE)


async def versions_of(plane: ControlPlane) -> list[ModelSpec]:
    query = ResourceQuery("model", versions="versions", limit=500)
    found = await every(plane.deps.store.list_resources, query)
    return [ModelSpec.model_validate(one.spec) for one in found]


async def content_of(plane: ControlPlane, sha256: str) -> bytes:
    return b"".join([chunk async for chunk in plane.deps.artifacts.read(sha256)])


@pytest.mark.parametrize("registrations", [REGISTRATIONS, pytest.param(MANY_REGISTRATIONS, marks=pytest.mark.slow)])
async def test_a_collection_that_never_stops_loses_nothing(registrations: int, tmp_path: Path) -> None:
    plane = make_plane(tmp_path / "data", artifact_retention_s=RETENTION_S)
    collected, done = 0, asyncio.Event()

    async def collect() -> None:
        nonlocal collected
        while not done.is_set():
            collected += (await plane.deps.garbage.collect()).collected
            await asyncio.sleep(0.01)

    async def work(worker: int) -> None:
        for number in range(worker, registrations, 8):
            await register(plane, number)
            await delete(plane, number if number % 5 else number + 1)

    collector = asyncio.create_task(collect())
    await asyncio.gather(*(work(worker) for worker in range(8)))
    done.set()
    await collector
    versions = await versions_of(plane)
    assert versions
    for spec in versions:
        for file in spec.files:
            assert hashlib.sha256(await content_of(plane, file.sha256)).hexdigest() == file.sha256
    assert collected > 0  # else it was never put to the test


async def test_what_nothing_refers_to_goes_after_the_retention_and_a_dry_run_only_counts(tmp_path: Path) -> None:
    plane = make_plane(tmp_path / "data")
    for number in range(3):
        await register(plane, number)
    await plane.deps.lifecycle.delete("m1", "1", CAUSE)
    assert (await plane.deps.garbage.collect()).young == 1  # the retention of a week is not over

    class Later:
        def now(self) -> datetime:
            return datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)

        async def sleep(self, seconds: float) -> None:
            raise AssertionError("nobody waits here")

    later = GarbageCollector(plane.deps.store, plane.deps.artifacts, Later(), retention_s=604800)
    counted = await later.collect(dry_run=True)
    assert (counted.kept, counted.collected, counted.collected_bytes) == (2, 1, len(b"content 1"))
    assert (await later.collect()).collected == 1
    assert (await later.collect()).kept == 2
    assert {file.sha256 for spec in await versions_of(plane) for file in spec.files} == {
        hashlib.sha256(content(number)).hexdigest() for number in (0, 2)
    }
