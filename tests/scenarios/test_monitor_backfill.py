"""Backfills: a run for each time that is over, in order, once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.clock import ManualClock
from shared.api.dispatch import answer
from shared.api.message import ApiRequest
from shared.bootstrap import ControlPlane
from shared.ports import WorkMessage
from shared.resources.base import ResourceKey
from tests.doubles.webhook_receiver import WebhookReceiver
from tests.plane import events_of
from tests.scenarios.alerted import collect, declare, monitor, run
from tests.scenarios.test_images import call
from tests.scenarios.test_monitor_notifications import DRIFT, NOON, plane_of, receiver, taken, told

__all__ = ["receiver"]
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def plane(tmp_path: Path, clock: ManualClock) -> ControlPlane:
    """A day later, when the deployment collected in four hours: as the baseline, far from it, far from it, as it."""
    for hours_ago, shift in ((4, 0), (3, 50), (2, 50), (1, 0)):
        collect(tmp_path / "data", NOON - hours_ago * HOUR + timedelta(minutes=30), shift)
    clock.advance(86_400)
    return plane_of(tmp_path, clock)


async def asked(plane: ControlPlane, status: int = 202, name: str = "watch", **body: Any) -> Any:
    given = {"from": (NOON - 3 * HOUR).isoformat(), "to": NOON.isoformat(), **body}
    headers = {"content-type": "application/json"}
    request = ApiRequest("POST", "http://localhost/", headers, {}, {"name": name}, json.dumps(given).encode(), "r-1")
    found = await answer("backfill_monitor", request, plane)
    assert found.status == status, found.document
    return json.loads(found.body())


async def worked(plane: ControlPlane, clock: ManualClock, count: int) -> list[str]:
    """The due times of runs in the order in which they ended, by the messages of the work queue alone."""
    ended: list[str] = []
    async with asyncio.timeout(120):
        while len(ended) < count:
            messages = await plane.deps.queue.receive(max_messages=16, visibility_timeout_s=60)
            for message in messages:
                await plane.loop.work(message.body, message.id)
                await plane.deps.queue.delete(message)
                found = await plane.deps.store.read(WorkMessage.load(message.body).key)
                if found and found.kind == "monitor-run" and found.status["phase"] == "Succeeded":
                    ended += [due for due in [found.spec["due_at"][11:13]] if due not in ended]
            clock.advance(0 if messages else 1)
    return ended


async def all_runs(plane: ControlPlane) -> dict[str, str]:
    """Verdicts by the hour that they are due."""
    items = (await call(plane, "list_monitor_runs", 200))["items"]
    return {one["due_at"][11:13]: one["verdict"] for one in reversed(items) if one["due_at"] <= "2026-11-26T12"}


async def test_each_time_is_run_in_order_once_and_nobody_is_told(
    plane: ControlPlane, clock: ManualClock, receiver: WebhookReceiver
) -> None:
    await declare(plane, told("ops"))
    begun = (await asked(plane))["runs"]
    assert [(one["due_at"][11:16], one["reason"]) for one in begun] == [
        (f"{h:02}:00", "Backfill") for h in range(9, 13)
    ]
    assert await worked(plane, clock, 4) == ["09", "10", "11", "12"]
    again = (await asked(plane))["runs"]
    assert [one["monitor_run_id"] for one in again] == [one["monitor_run_id"] for one in begun]
    assert {one["phase"] for one in again} == {"Succeeded"}
    verdicts = [(one["due_at"][11:13], one["verdict"]) for one in again]
    assert verdicts == [("09", "Healthy"), ("10", "Breached"), ("11", "Breached"), ("12", "Healthy")]
    assert receiver.deliveries == []
    assert DRIFT not in await events_of(plane)


async def test_people_are_told_as_they_would_have_been_and_the_present_stays(
    plane: ControlPlane, clock: ManualClock, receiver: WebhookReceiver
) -> None:
    wanted = {"notifiers": ["ops"], "notify_on": ["breached", "recovered"]}
    await declare(plane, monitor(alert_notification=wanted, alert_policy={"cool_down": "PT2H"}))
    await asked(plane, notify=True)
    await worked(plane, clock, 4)
    while len(receiver.accepted_ids) < 2:
        await plane.look_again()
        await worked_once(plane)
    assert taken(receiver) == [("inputs", "Raised"), ("inputs", "Resolved")]
    assert [one.events[0]["at"][11:13] for one in receiver.deliveries] == ["10", "12"]
    assert (await events_of(plane)).count(DRIFT) == 1
    found = await plane.deps.store.read(ResourceKey("monitor", "watch"))
    assert found is not None
    assert found.status.get("alerts", {}) == {}


async def worked_once(plane: ControlPlane) -> None:
    for message in await plane.deps.queue.receive(max_messages=16, visibility_timeout_s=60):
        await plane.loop.work(message.body, message.id)
        await plane.deps.queue.delete(message)


async def test_what_the_trigger_ran_is_found_unless_the_monitor_is_another_now(
    plane: ControlPlane, clock: ManualClock
) -> None:
    await declare(plane, told("ops"))
    clock.advance(3600)
    await plane.start_monitor_runs()
    (scheduled,) = (await call(plane, "list_monitor_runs", 200))["items"]
    span = {"from": scheduled["due_at"], "to": scheduled["due_at"]}
    (other,) = (await asked(plane, **span))["runs"]
    assert other["monitor_run_id"] != scheduled["monitor_run_id"], "it has not ended"
    await run(plane, scheduled["monitor_run_id"])
    (found,) = (await asked(plane, **span))["runs"]
    assert found["monitor_run_id"] == scheduled["monitor_run_id"]
    await declare(plane, monitor())
    (anew,) = (await asked(plane, **span))["runs"]
    assert anew["monitor_run_id"] not in (scheduled["monitor_run_id"], other["monitor_run_id"])


async def test_a_run_that_was_canceled_lets_the_next_one_begin_and_is_run_again(
    plane: ControlPlane, clock: ManualClock
) -> None:
    await declare(plane, told("ops"))
    first, *_ = (await asked(plane))["runs"]
    await call(plane, "cancel_monitor_run", 202, monitor_run_id=first["monitor_run_id"])
    assert await worked(plane, clock, 3) == ["10", "11", "12"]
    again, *others = (await asked(plane))["runs"]
    assert (again["monitor_run_id"], again["phase"]) == (first["monitor_run_id"], "Pending")
    assert {one["phase"] for one in others} == {"Succeeded"}
    assert await worked(plane, clock, 1) == ["09"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"to": "2026-12-24T00:00:00Z"}, "both in the past"),
        ({"from": "2026-11-26T13:00:00Z"}, "from before to"),
        ({"from": "2026-01-01"}, "366 runs end at 2026-01-16T05:00:00"),
        ({"from": "2026-11-26T11:01:00", "to": "2026-11-26T11:59:00"}, "does not come in that span"),
        ({"from": "yesterday"}, "/from"),
        ({"from": "0001-01-01T00:00:00+10:00"}, "out of range"),
        ({"to": "9999-12-31T23:59:59-10:00"}, "out of range"),
    ],
)
async def test_spans_that_cannot_be_run_are_refused(plane: ControlPlane, body: dict[str, Any], words: str) -> None:
    await declare(plane, monitor())
    assert words in json.dumps(await asked(plane, 422, **body))
    assert await all_runs(plane) == {}
    assert "slipway monitor list" in json.dumps(await asked(plane, 404, name="none"))
