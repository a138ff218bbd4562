"""Runs that monitors' triggers start: by one of several hosts, once each, whatever is killed."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.adapters.local.clock import ManualClock
from shared.api.dispatch import answer
from shared.api.message import ApiRequest
from shared.bootstrap import ControlPlane
from shared.monitors.scheduling import scheduled_run_id
from shared.resources.base import ResourceKey
from shared.resources.monitor_run import RunReason
from shared.syncing.apply import apply_tree
from shared.syncing.tree import SourceTree
from tests.plane import CAUSE, make_plane
from tests.scenarios.test_environments import SOURCE
from tests.scenarios.test_images import call
from tests.unit.monitors.test_applying import DEPLOYMENT, ENDPOINT, MONITOR

APPLIED = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR_S = 3600.0
BOTH = {"data_collector": {"collections": {name: {"enabled": "true"} for name in ("model_inputs", "model_outputs")}}}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(APPLIED)


@pytest.fixture
async def plane(tmp_path: Path, clock: ManualClock) -> ControlPlane:
    """With a monitor that is due every day at 03:15."""
    made = make_plane(tmp_path / "data", clock, instance_id="first")
    await apply(made, {"monitor.yml": MONITOR})
    return made


async def apply(plane: ControlPlane, documents: dict[str, dict[str, Any]]) -> None:
    files = {
        "model.yml": b"name: trees\ntype: custom_model\npath: files\n",
        "files/model.bin": b"1",
        "endpoint.yml": ENDPOINT,
        "deployment.yml": yaml.safe_dump({**DEPLOYMENT, **BOTH}).encode(),
        **{path: yaml.safe_dump(document).encode() for path, document in documents.items()},
    }
    for outcome in await apply_tree(SourceTree(files), None, SOURCE, plane.deps, CAUSE):
        assert outcome.result != "refused", outcome


async def runs(plane: ControlPlane, name: str = "watch") -> list[str]:
    page = await call(plane, "list_monitor_runs", 200)
    return [one["due_at"] for one in page["items"] if one["monitor"] == name]


async def test_a_run_is_started_when_it_is_due_and_not_again(plane: ControlPlane, clock: ManualClock) -> None:
    assert await plane.start_monitor_runs() == 0
    clock.advance(15.25 * HOUR_S)
    assert await plane.start_monitor_runs() == 1
    assert await plane.start_monitor_runs() == 0
    assert await runs(plane) == ["2026-11-21T03:15:00Z"]
    (shown,) = (await call(plane, "list_monitors", 200))["items"]
    (run,) = (await call(plane, "list_monitor_runs", 200))["items"]
    assert shown["next_run_at"] == "2026-11-22T03:15:00Z"
    assert (run["monitor_run_id"], run["reason"]) == (shown["last_started_run"], "Scheduled")


async def test_of_two_hosts_one_starts_the_run(plane: ControlPlane, clock: ManualClock, tmp_path: Path) -> None:
    other = make_plane(tmp_path / "data", clock, instance_id="second")
    clock.advance(16 * HOUR_S)
    assert sorted(await asyncio.gather(plane.start_monitor_runs(), other.start_monitor_runs())) == [0, 1]
    clock.advance(24 * HOUR_S)  # both without their lease, as when it expired while one was slow
    begun = await asyncio.gather(*(one.monitor_schedules.start_due(CAUSE) for one in (plane, other)))
    assert len({run.name for each in begun for run in each}) == 1
    assert await runs(plane) == ["2026-11-22T03:15:00Z", "2026-11-21T03:15:00Z"]


async def test_one_that_died_before_it_noted_the_run_is_followed_by_one_that_finds_it(
    plane: ControlPlane, clock: ManualClock, tmp_path: Path
) -> None:
    await plane.start_monitor_runs()
    before = await plane.deps.store.read(ResourceKey("monitor", "watch"))
    assert before is not None
    clock.advance(16 * HOUR_S)
    due = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
    run_id = scheduled_run_id("watch", due)
    first = await plane.monitor_runs.begin(before, run_id, due, RunReason.SCHEDULED, CAUSE)
    other = make_plane(tmp_path / "data", clock, instance_id="second")  # the first one is gone
    clock.advance(120)
    (found,) = await other.monitor_schedules.start_due(CAUSE)
    assert (found.name, found.revision) == (first.name, first.revision)
    assert len(await runs(plane)) == 1


async def test_a_disabled_monitor_starts_nothing_and_an_enabled_one_what_comes_then(
    plane: ControlPlane, clock: ManualClock
) -> None:
    shown = await call(plane, "disable_monitor", 200, name="watch")
    assert (shown["enabled"], shown["next_run_at"]) == (False, None)
    clock.advance(40 * HOUR_S)
    assert await plane.start_monitor_runs() == 0
    await call(plane, "enable_monitor", 200, name="watch")
    assert await plane.start_monitor_runs() == 0
    clock.advance(24 * HOUR_S)
    assert await plane.start_monitor_runs() == 1
    assert await runs(plane) == ["2026-11-23T03:15:00Z"]
    await call(plane, "disable_monitor", 404, name="none")


async def test_a_monitor_that_ran_can_be_deleted_and_starts_nothing_then(
    plane: ControlPlane, clock: ManualClock
) -> None:
    clock.advance(16 * HOUR_S)
    assert await plane.start_monitor_runs() == 1
    await call(plane, "delete_declared", 204, kind="monitor", name="watch")
    clock.advance(24 * HOUR_S)
    assert await plane.start_monitor_runs() == 0
    assert len(await runs(plane)) == 1


async def test_a_file_that_is_applied_again_changes_nothing_of_what_is_done(
    plane: ControlPlane, clock: ManualClock
) -> None:
    clock.advance(16 * HOUR_S)
    assert await plane.start_monitor_runs() == 1
    await apply(plane, {"monitor.yml": {**MONITOR, "description": "the inputs of diabetes"}})
    assert await plane.start_monitor_runs() == 0
    await apply(plane, {"monitor.yml": {**MONITOR, "trigger": {"type": "cron", "expression": "0 4 * * *"}}})
    assert await plane.start_monitor_runs() == 0, "4 o'clock was over when it was declared"
    clock.advance(24 * HOUR_S)
    assert await plane.start_monitor_runs() == 1
    assert (await runs(plane))[0] == "2026-11-22T04:00:00Z"


async def test_runs_of_one_monitor_are_listed(plane: ControlPlane, clock: ManualClock) -> None:
    await apply(plane, {"monitor.yml": MONITOR, "other.yml": {**MONITOR, "name": "other"}})
    await call(plane, "run_monitor", 202, name="other")
    clock.advance(16 * HOUR_S)
    assert await plane.start_monitor_runs() == 2
    found = await call_with_query(plane, {"monitor": "other", "limit": "1"})
    assert [one["reason"] for one in found["items"]] == ["Scheduled"]
    rest = await call_with_query(plane, {"monitor": "other", "continuation": found["continuation"]})
    assert [one["monitor"] for one in rest["items"]] == ["other"]


async def call_with_query(plane: ControlPlane, query: dict[str, str]) -> Any:
    url = "http://localhost/api/monitor-runs"
    given = await answer("list_monitor_runs", ApiRequest("GET", url, {}, query, {}, b"", "request-1"), plane)
    assert given.status == 200, given.document
    return json.loads(given.body())
