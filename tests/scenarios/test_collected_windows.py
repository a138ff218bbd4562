"""Collected data whose hours are sketched as they arrive: the runs of monitors read what is new, and say the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import ControlPlane
from shared.commit import Current, Draft
from shared.ports import ResourceQuery
from shared.resources.base import Resource, ResourceKey
from shared.resources.collection_window import KIND, CollectionWindowStatus, WindowPhase
from tests.plane import CAUSE, blob_created, make_plane
from tests.scenarios import monitored as m
from tests.scenarios.test_environments import call as ask
from tests.scenarios.test_images import call

HOURS = 2
ROWS = 60


@pytest.fixture
def plane(tmp_path: Path) -> ControlPlane:
    return make_plane(tmp_path / "data", collected_settle_s=0)


def rows(count: int = ROWS, shift: int = 0) -> list[dict[str, Any]]:
    return [{"a": number % 17 + shift + 0.5, "site": "NSW"[number % 3]} for number in range(count)]


async def monitored(plane: ControlPlane, **more: Any) -> None:
    """A monitor that compares the inputs with a profiled data asset."""
    await declared(plane, **more)
    assert (await m.profile(plane, "patients"))["phase"] == "Profiled"


async def declared(plane: ControlPlane, **more: Any) -> None:
    """The same before it is profiled."""
    inputs = {"type": "data_drift", "reference_data": m.reference("patients@latest"), **more}
    await m.applied(
        plane,
        data_yml=m.data("patients", "base.jsonl"),
        base_jsonl=m.lines(rows(500)),
        monitor_yml=m.monitor(inputs=inputs),
    )
    assert (await m.profile(plane, "patients"))["phase"] == "Profiled"


def collected(plane: ControlPlane) -> list[str]:
    """Paths of what was collected, in the container."""
    root = plane.deps.settings.data_dir / "collected"
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jsonl"))


def event(path: str, at: datetime | None = None) -> dict[str, Any]:
    """What Event Grid says of a blob."""
    return blob_created(path, container="collected") | {"eventTime": (at or datetime.now(UTC)).isoformat()}


async def announce(plane: ControlPlane, paths: Sequence[str], at: datetime | None = None) -> None:
    for path in paths:
        await plane.storage_event(event(path, at))


async def windows(plane: ControlPlane) -> list[Resource]:
    return list((await plane.deps.store.list_resources(ResourceQuery(KIND, limit=100))).items)


async def sketched(plane: ControlPlane) -> list[CollectionWindowStatus]:
    """All windows when none is under way, but for those whose time is not over."""
    async with asyncio.timeout(60):
        while True:
            found = await windows(plane)
            now = datetime.now(UTC).isoformat()
            under_way = [one for one in found if one.unfinished and one.spec["end"] < now]
            if not under_way:
                return [CollectionWindowStatus.model_validate(one.status) for one in found]
            for one in under_way:
                await plane.loop.look_at(ResourceKey(KIND, one.name), CAUSE)


async def counts(plane: ControlPlane) -> tuple[int, int, float]:
    """Rows of a run, those of them that came from sketches, and what it found of a feature."""
    signal = m.signal_of(await m.run(plane), "inputs")
    value = signal["features"]["a"]["metrics"]["normalized_wasserstein_distance"]["value"]
    return signal["counts"]["rows"], signal["counts"]["sketched_rows"], float(value)


def collect(plane: ControlPlane, run: str = "r") -> None:
    for hour in range(HOURS):
        m.collect(plane, "model_inputs", rows(shift=hour), hours_ago=hour + 2, run=f"{run}{hour}-")


async def test_hours_are_sketched_as_they_arrive_and_the_run_reads_the_rest(plane: ControlPlane) -> None:
    await monitored(plane)
    collect(plane)
    m.collect(plane, "model_inputs", rows(shift=9), hours_ago=0, run="now")
    read = await counts(plane)
    assert read[:2] == ((HOURS + 1) * ROWS, 0)
    paths = collected(plane) * 3
    random.Random(20261127).shuffle(paths)
    before = datetime.now(UTC)
    await announce(plane, paths, before)
    found = await sketched(plane)
    ready = sum(one.phase is WindowPhase.SKETCHED for one in found)
    assert ready in (HOURS, HOURS + 1), "the present hour is not over, or was not when this began"
    after = await counts(plane)
    assert after[:2] == ((HOURS + 1) * ROWS, ready * ROWS)
    assert after[2] == pytest.approx(read[2], rel=1e-12)
    await announce(plane, paths, before - timedelta(hours=1))  # late, and in another order
    assert [one.status["attempt"] for one in await windows(plane)] == [one.attempt for one in found]
    assert sum(one.attempt for one in found) == ready, "one reading a window"
    listed = await ask(plane, "list_collection_windows", query={"monitor": "watch"})
    shown = [one for one in listed["items"] if one["phase"] == "Sketched"]
    assert [(one["collection"], one["counts"]["rows"]) for one in shown] == [("live/blue/model_inputs", ROWS)] * ready
    await ask(plane, "list_collection_windows", status=404, query={"monitor": "none"})


@pytest.mark.slow
async def test_a_late_blob_and_one_that_grew_have_their_hours_sketched_again(plane: ControlPlane) -> None:
    await monitored(plane)
    collect(plane)
    await announce(plane, collected(plane))
    await sketched(plane)
    m.collect(plane, "model_inputs", rows(7), hours_ago=3, run="late")
    assert (await counts(plane))[:2] == (HOURS * ROWS + 7, (HOURS - 1) * ROWS)  # and the run says what is outdated
    again = await sketched(plane)
    assert sorted(one.attempt for one in again) == [*[1] * (HOURS - 1), 2]
    assert {one.phase for one in again} == {WindowPhase.SKETCHED}
    assert (await counts(plane))[:2] == (HOURS * ROWS + 7, HOURS * ROWS + 7)
    m.collect(plane, "model_inputs", rows(5), hours_ago=3, run="later")
    await announce(plane, collected(plane)[1:2])
    await announce(
        plane, [path for path in collected(plane) if f"{datetime.now(UTC) - timedelta(hours=3):%d/%H}" in path]
    )
    await sketched(plane)
    assert (await counts(plane))[:2] == (HOURS * ROWS + 12, HOURS * ROWS + 12)


async def test_nothing_is_sketched_that_no_monitor_compares(plane: ControlPlane) -> None:
    await m.applied(plane)
    collect(plane)
    await announce(plane, collected(plane))
    assert await windows(plane) == []
    await declared(plane, data_segment={"feature_name": "site", "feature_values": ["N"]})
    await announce(plane, [*collected(plane), "live/blue/model_inputs/notes.jsonl", "x.jsonl"])
    assert await windows(plane) == []


@pytest.mark.slow
async def test_a_window_whose_monitor_is_gone_when_its_turn_comes_is_not_read(plane: ControlPlane) -> None:
    await monitored(plane)
    collect(plane)
    await announce(plane, collected(plane)[:1])
    await call(plane, "disable_monitor", 200, name="watch")
    (found,) = await sketched(plane)
    assert (found.phase, found.attempt) == (WindowPhase.UNUSED, 0)
    await call(plane, "enable_monitor", 200, name="watch")
    await announce(plane, collected(plane)[:1])
    assert [one.phase for one in await sketched(plane)] == [WindowPhase.SKETCHED]


async def test_a_window_that_a_killed_control_plane_left_is_sketched_by_the_next(
    plane: ControlPlane, tmp_path: Path
) -> None:
    await monitored(plane)
    collect(plane)
    await announce(plane, collected(plane))
    for one in await windows(plane):
        await plane.loop.look_at(one.key, CAUSE)  # begun, and nothing of it is heard again
    after = make_plane(tmp_path / "data", collected_settle_s=0)
    assert await after.look_again() >= 0
    assert {one.phase for one in await sketched(after)} == {WindowPhase.SKETCHED}
    assert (await counts(after))[:2] == (HOURS * ROWS, HOURS * ROWS)


@pytest.mark.slow
async def test_windows_go_with_the_retention_their_monitor_and_their_deployment(
    plane: ControlPlane, tmp_path: Path
) -> None:
    await monitored(plane)
    collect(plane)
    await announce(plane, collected(plane))
    await sketched(plane)
    assert await plane.window_garbage.collect() == 0
    before = len(await windows(plane))
    late = make_plane(tmp_path / "data", window_sketch_retention_s=7200)
    gone = await late.window_garbage.collect()
    assert 1 <= gone == before - len(await windows(plane))
    await call(plane, "disable_monitor", 200, name="watch")
    assert await plane.window_garbage.collect() == 0
    left = await windows(plane)
    await delete(plane, ResourceKey("monitor", "watch"))
    assert await plane.window_garbage.collect() == len(left)
    assert await windows(plane) == []
    await announce(plane, collected(plane), datetime.now(UTC))
    assert await windows(plane) == []


async def delete(plane: ControlPlane, key: ResourceKey) -> None:
    async def change(current: Current) -> Sequence[Draft]:
        found = current[key]
        assert found is not None
        return (Draft.of(found, delete=True),)

    await plane.deps.committer.transact((key,), change, CAUSE)
