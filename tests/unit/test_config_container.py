"""Declared files that are dropped into the container `config` become so."""

from __future__ import annotations

import os
import time
from pathlib import Path

from shared.bootstrap import ControlPlane
from shared.controllers.sync import reconcile
from shared.ports import ResourceQuery
from shared.resources.base import Resource, ResourceKey
from shared.resources.sync import KIND
from tests.plane import CAUSE, blob_created, events_of
from tests.plane import plane as plane

MODEL = "name: diabetes\npath: model.bin\n"
ENVIRONMENT = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: score\nimage: a:1\n"


def drop(plane: ControlPlane, path: str, content: bytes | str) -> Path:
    """Put a whole file into the container, a minute ago."""
    target = Path(plane.deps.settings.data_dir) / "config" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = time.time() - 60
    os.utime(target, (before, before))
    return target


async def announce(plane: ControlPlane, *paths: str) -> None:
    for number, path in enumerate(paths):
        await plane.storage_event(blob_created(path, event_id=f"e-{number}", container="config"))


async def syncs(plane: ControlPlane) -> list[Resource]:
    query = ResourceQuery(KIND, sort="created")
    return list((await plane.deps.store.list_resources(query)).items)


async def settled(plane: ControlPlane) -> list[Resource]:
    """Every sync, looked at until it has ended."""
    await plane.deps.clock.sleep(0.4)  # what is in the folder counts as complete then
    for one in await syncs(plane):
        while (await plane.loop.look_at(one.key, CAUSE) or one).unfinished:
            pass
    return await syncs(plane)


async def test_what_is_dropped_becomes_so_with_the_files_it_names(plane: ControlPlane) -> None:
    drop(plane, "prod/environment.yml", ENVIRONMENT)
    drop(plane, "prod/model.yml", MODEL)
    drop(plane, "prod/model.bin", os.urandom(2_000_000))
    await announce(plane, "prod/environment.yml", "prod/model.yml", "prod/model.bin")
    ended = await settled(plane)  # two where the arrivals fell into two windows: the second finds nothing to do
    (done,) = [one for one in ended if one.status["phase"] != "Skipped"]
    assert (done.status["phase"], done.status["counts"]) == ("Succeeded", {"created": 2})
    assert done.spec["trigger"] == "storage"
    version = await plane.deps.registry.get("diabetes", "1")
    assert version.spec["files"][0]["size_bytes"] == 2_000_000
    assert version.properties["slipway.source"] == "config"
    assert version.properties["slipway.source.file"] == "prod/model.yml"
    assert (Path(plane.deps.settings.data_dir) / "config/prod/model.bin").exists()
    assert "Slipway.SyncSucceeded" in await events_of(plane)


async def test_many_arrivals_of_one_moment_are_few_syncs_and_the_same_files_are_applied_once(
    plane: ControlPlane,
) -> None:
    for number in range(30):
        drop(plane, f"{number}.yml", ENVIRONMENT.replace("score", f"e{number}"))
    await announce(plane, *(f"{number}.yml" for number in range(30)))
    ended = await settled(plane)
    assert 1 <= len(ended) <= 3
    assert [one.status["phase"] for one in ended].count("Succeeded") == 1
    assert {one.status["phase"] for one in ended} <= {"Succeeded", "Skipped"}


async def test_a_file_that_waits_for_another_is_taken_up_when_that_comes(plane: ControlPlane) -> None:
    drop(plane, "model.yml", MODEL)
    await announce(plane, "model.yml")
    (first,) = await settled(plane)
    assert first.status["phase"] == "Failed"
    (refused,) = first.status["files"]
    assert (refused["path"], refused["result"], refused["line"]) == ("model.yml", "refused", 2)
    assert "Slipway.SyncFailed" in await events_of(plane)
    assert (Path(plane.deps.settings.data_dir) / "config/model.yml").exists()
    await plane.deps.clock.sleep(1.1)  # another window
    drop(plane, "model.bin", b"weights")
    await announce(plane, "model.bin")
    assert (await settled(plane))[-1].status["counts"] == {"created": 1}


async def test_the_timer_takes_up_what_no_event_told(plane: ControlPlane) -> None:
    assert await plane.config_intake.take_up(CAUSE) is False
    drop(plane, "environment.yml", ENVIRONMENT)
    await plane.deps.clock.sleep(0.4)
    assert await plane.config_intake.take_up(CAUSE) is True
    await settled(plane)
    assert await plane.deps.store.read(ResourceKey("environment", "score", "1")) is not None
    assert await plane.config_intake.take_up(CAUSE) is False


async def test_a_sync_that_died_after_it_wrote_is_done_again_and_told(plane: ControlPlane) -> None:
    drop(plane, "environment.yml", ENVIRONMENT)
    await announce(plane, "environment.yml")
    (first,) = await settled(plane)
    again = first.model_copy(update={"status": {**first.status, "phase": "Applying"}, "unfinished": True})
    outcome = await reconcile(again, plane.deps, CAUSE)
    assert (outcome.status.phase, outcome.unfinished) == ("Succeeded", False)
