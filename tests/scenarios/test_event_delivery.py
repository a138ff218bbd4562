"""The local Event Grid delivers: filters, retries, dead letters, restarts."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.local.event_grid import (
    open_event_grid,
)
from shared.ports import Subscription
from tests.doubles.webhook_receiver import Received, bound_socket, webhook_receiver
from tests.scenarios.event_world import World, answers, attempted, world

__all__ = ["world"]


async def test_only_matching_events_are_delivered(world: World) -> None:
    async with webhook_receiver() as receiver, world.delivering():
        only = {"operatorType": "StringIn", "key": "Data.Stage", "values": ["production"]}
        await world.subscribe("receiver", receiver, subject_begins_with="Models/", advanced_filters=(only,))
        await world.publish(1, id="other", data={"stage": "test"})
        await world.publish(1, id="elsewhere", data={"stage": "Production"}, subject="jobs/1")
        await world.publish(1, id="wanted", data={"stage": "Production"})
        await receiver.until(lambda: bool(receiver.deliveries))
        await world.settled("receiver")
    assert receiver.accepted_ids == ["wanted"]


async def test_who_was_down_for_a_while_gets_everything(world: World) -> None:
    sock = bound_socket()
    down = Subscription("receiver", f"http://127.0.0.1:{sock.getsockname()[1]}/hook")
    code = await world.grid.subscriptions.begin_validation("receiver")  # it was up when it subscribed
    await world.grid.subscriptions.finish_validation(down, code, proved=True, signing_secret=None)
    async with world.delivering():
        published = await world.publish(20)
        await attempted(world, "receiver")
        async with webhook_receiver(sock=sock) as receiver:
            await receiver.until(lambda: set(receiver.accepted_ids) == set(published))
            await world.settled("receiver")
    assert world.dead_letters("receiver") == []


async def test_who_always_fails_ends_in_dead_letters_and_harms_nobody(world: World) -> None:
    async with webhook_receiver() as good, webhook_receiver() as bad, world.delivering():
        bad.answer = answers(500)
        await world.subscribe("good", good)
        await world.subscribe("bad", bad, max_delivery_attempts=3)
        published = await world.publish(10)
        await good.until(lambda: sorted(good.accepted_ids) == sorted(published))
        await world.settled("bad")
    assert len(bad.deliveries) == 30
    assert sorted({each.headers["aeg-delivery-count"] for each in bad.deliveries}) == ["0", "1", "2"]
    letters = world.dead_letters("bad")
    assert sorted(each["id"] for each in letters) == sorted(published)
    assert {(each["deadLetterReason"], each["deliveryAttempts"], each["lastDeliveryOutcome"]) for each in letters} == {
        ("MaxDeliveryAttemptsExceeded", 3, "GenericError")
    }
    assert all(each["publishTime"] <= each["lastDeliveryAttemptTime"] for each in letters)
    assert world.dead_letters("good") == []


async def test_dead_letter_files_lie_by_hour(world: World) -> None:
    async with webhook_receiver() as receiver, world.delivering():
        receiver.answer = answers(400)
        await world.subscribe("receiver", receiver, event_delivery_schema="CloudEventSchemaV1_0")
        await world.publish(1)
        await receiver.until(lambda: bool(receiver.deliveries))
        await world.settled("receiver")
    (path,) = world.dead_letter_dir.glob("**/*.json")
    name, *date = path.parent.relative_to(world.dead_letter_dir).parts
    (letter,) = json.loads(path.read_bytes())
    assert name == "receiver"
    assert [f"{int(part):02}" for part in date] == [
        *letter["lastdeliveryattempttime"][:10].split("-"),
        letter["lastdeliveryattempttime"][11:13],
    ]
    assert (letter["specversion"], letter["deadletterreason"]) == ("1.0", "UndeliverableDueToClientError")


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "BadRequest"), (401, "Unauthorized"), (403, "Forbidden"), (413, "PayloadTooLarge")]
)
async def test_what_will_never_be_taken_is_given_up_at_once(world: World, status: int, outcome: str) -> None:
    async with webhook_receiver() as receiver, world.delivering():
        receiver.answer = answers(status)
        await world.subscribe("receiver", receiver)
        await world.publish(1)
        await receiver.until(lambda: bool(receiver.deliveries))
        await world.settled("receiver")
    assert len(receiver.deliveries) == 1
    (letter,) = world.dead_letters("receiver")
    assert (letter["deliveryAttempts"], letter["lastDeliveryOutcome"]) == (1, outcome)


async def test_an_event_too_old_is_given_up_without_an_attempt(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 11, 23, tzinfo=UTC))
    world = World(open_event_grid(tmp_path / "eventgrid.db", clock), tmp_path / "dead-letters")
    async with webhook_receiver() as receiver:
        await world.subscribe("receiver", receiver, event_time_to_live_min=2)
        await world.publish(1)
        clock.advance(121)
        async with world.delivering():
            await world.settled("receiver")
    assert receiver.deliveries == []
    (letter,) = world.dead_letters("receiver")
    assert (letter["deadLetterReason"], letter["deliveryAttempts"]) == ("TimeToLiveExceeded", 0)
    await world.grid.close()


async def test_a_dead_letter_that_cannot_be_written_is_kept(world: World) -> None:
    world.dead_letter_dir.write_text("a file where the folder should be")
    async with webhook_receiver() as receiver, world.delivering():
        receiver.answer = answers(400)
        await world.subscribe("receiver", receiver)
        await world.publish(1)
        await attempted(world, "receiver")
        world.dead_letter_dir.unlink()
        await world.settled("receiver")
    assert len(receiver.deliveries) == 1
    assert len(world.dead_letters("receiver")) == 1


async def test_who_hangs_is_timed_out_and_harms_nobody(world: World) -> None:
    never = asyncio.Event()

    async def hang(_: Received) -> web.Response:
        await never.wait()
        return web.Response()

    async with webhook_receiver() as good, webhook_receiver() as hanging, world.delivering(timeout_s=0.2):
        hanging.answer = hang
        await world.subscribe("good", good)
        await world.subscribe("hanging", hanging, max_delivery_attempts=1)
        published = await world.publish(30)
        await good.until(lambda: set(good.accepted_ids) == set(published))
        await world.settled("hanging")
        never.set()
    assert {each["lastDeliveryOutcome"] for each in world.dead_letters("hanging")} == {"TimedOut"}


async def test_redirects_are_not_followed(world: World) -> None:
    async with webhook_receiver() as elsewhere, webhook_receiver() as receiver, world.delivering():

        async def redirect(_: Received) -> web.Response:
            return web.Response(status=307, headers={"Location": elsewhere.url})

        receiver.answer = redirect
        await world.subscribe("receiver", receiver, max_delivery_attempts=2)
        await world.publish(1)
        await receiver.until(lambda: len(receiver.deliveries) == 2)
        await world.settled("receiver")
    assert elsewhere.deliveries == []
    assert len(world.dead_letters("receiver")) == 1


async def test_a_restart_in_the_middle_loses_nothing(world: World, tmp_path: Path) -> None:
    async with webhook_receiver() as receiver:
        gate = asyncio.Event()

        async def slow_after_five(_: Received) -> web.Response:
            if len(receiver.accepted_ids) >= 5:
                await gate.wait()
            return web.Response()

        receiver.answer = slow_after_five
        await world.subscribe("receiver", receiver)
        async with world.delivering():
            published = await world.publish(40)
            await receiver.until(lambda: len(receiver.accepted_ids) >= 5 and len(receiver.deliveries) >= 9)
        gate.set()
        await world.grid.close()
        again = World(open_event_grid(world.grid.path, SystemClock()), world.dead_letter_dir)
        async with again.delivering():
            await receiver.until(lambda: set(receiver.accepted_ids) == set(published))
            await again.settled("receiver")
        await again.grid.close()


async def test_a_subscription_that_is_deleted_gets_nothing_more(world: World) -> None:
    async with webhook_receiver() as receiver, webhook_receiver() as other, world.delivering():
        await world.subscribe("receiver", receiver)
        await world.subscribe("other", other)
        receiver.answer = answers(500)
        await world.publish(5)
        await receiver.until(lambda: bool(receiver.deliveries))
        await world.subscriptions.delete("receiver")
        assert await world.grid.count_pending("receiver") == 0
        await other.until(lambda: len(other.accepted_ids) == 5)


async def test_a_subscription_that_moves_gets_events_at_its_new_endpoint(world: World) -> None:
    async with webhook_receiver() as old, webhook_receiver() as new, world.delivering():
        await world.subscribe("receiver", old)
        await world.publish(1, id="first")
        await old.until(lambda: old.accepted_ids == ["first"])
        await world.subscribe("receiver", new)
        await world.publish(1, id="second")
        await new.until(lambda: new.accepted_ids == ["second"])
    assert old.accepted_ids == ["first"]
