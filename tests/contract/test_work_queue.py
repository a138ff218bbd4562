"""What every WorkQueue keeps: Storage Queue semantics, on SQLite and on Azurite."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters.azure.work_queue import AzureWorkQueue, open_work_queue
from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.local.signal import signal_for
from shared.adapters.local.work_queue import open_work_queues
from shared.errors import Conflict, Invalid, NotFound, SlipwayError, TooLarge
from shared.ports import ReceivedMessage, WorkQueue
from tests.azurite import AzuriteServer, azurite

__all__ = ["azurite"]
WEEK_S = 7 * 24 * 3600


@dataclass
class Subject:
    queue: WorkQueue
    elapse: Callable[[float], Awaitable[None]]  # lets seconds pass on the queue's clock


@pytest.fixture(params=["sqlite", "azurite"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    name = f"q-{uuid.uuid4().hex}"
    if request.param == "sqlite":
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        queues = open_work_queues(tmp_path / "queue.db", clock)
        yield Subject(queues(name), clock.sleep)
        await queues.close()
        return
    server: AzuriteServer = request.getfixturevalue("azurite")
    from azure.storage.queue.aio import QueueClient

    async with QueueClient.from_connection_string(server.connection_string, name) as client:
        await client.create_queue()
    queue = open_work_queue(server.queue_url, name, server.connection_string)
    yield Subject(queue, asyncio.sleep)
    await queue.close()


async def take(queue: WorkQueue, hidden_s: float = 30) -> ReceivedMessage:
    messages = await queue.receive(max_messages=1, visibility_timeout_s=hidden_s)
    assert len(messages) == 1
    return messages[0]


async def wait_for(subject: Subject, hidden_s: float = 30) -> ReceivedMessage:
    """The next message once it is visible; the service's own clock decides when, so this asks until it is."""
    for _ in range(100):
        messages = await subject.queue.receive(max_messages=1, visibility_timeout_s=hidden_s)
        if messages:
            return messages[0]
        await subject.elapse(0.2)
    raise AssertionError("no message became visible")


async def test_a_message_comes_back_whole_with_what_the_service_knows_of_it(subject: Subject) -> None:
    body = 'ünïcode <xml> & "quotes" \n\t\u2028'
    message_id = await subject.queue.send(body)
    message = await take(subject.queue)
    assert (message.id, message.body, message.dequeue_count) == (message_id, body, 1)
    assert message.expires_at - message.inserted_at == timedelta(days=7)
    assert message.next_visible_at > message.inserted_at
    assert message.receipt
    assert message.inserted_at.utcoffset() == timedelta(0)


async def test_an_empty_queue_gives_nothing(subject: Subject) -> None:
    assert await subject.queue.receive(max_messages=32, visibility_timeout_s=1) == ()


async def test_an_empty_text_is_a_message(subject: Subject) -> None:
    await subject.queue.send("")
    assert (await take(subject.queue)).body == ""


async def test_a_received_message_is_hidden_and_a_deleted_one_is_gone(subject: Subject) -> None:
    await subject.queue.send("one")
    message = await take(subject.queue, hidden_s=1)
    assert await subject.queue.receive(max_messages=32, visibility_timeout_s=1) == ()
    await subject.queue.delete(message)
    await subject.elapse(1.5)
    assert await subject.queue.receive(max_messages=32, visibility_timeout_s=1) == ()


async def test_a_message_nobody_deletes_comes_again_with_a_higher_count(subject: Subject) -> None:
    await subject.queue.send("again")
    first = await take(subject.queue, hidden_s=1)
    second = await wait_for(subject)
    assert (second.id, second.dequeue_count) == (first.id, 2)
    assert second.receipt != first.receipt


async def test_a_delayed_message_is_not_visible_before_its_time(subject: Subject) -> None:
    await subject.queue.send("later", delay_s=1)
    assert await subject.queue.receive(max_messages=1, visibility_timeout_s=1) == ()
    message = await wait_for(subject)
    assert message.body == "later"


async def test_no_more_than_asked_for_and_each_once(subject: Subject) -> None:
    sent = {await subject.queue.send(str(number)) for number in range(5)}
    first = await subject.queue.receive(max_messages=3, visibility_timeout_s=30)
    second = await subject.queue.receive(max_messages=32, visibility_timeout_s=30)
    assert (len(first), len(second)) == (3, 2)
    assert {message.id for message in first + second} == sent


async def test_an_update_sets_when_it_is_visible_and_makes_the_old_receipt_stale(subject: Subject) -> None:
    await subject.queue.send("held")
    first = await take(subject.queue, hidden_s=1)
    second = await subject.queue.update(first, visibility_timeout_s=60)
    assert (second.id, second.body, second.dequeue_count) == (first.id, "held", 1)
    assert second.next_visible_at > first.next_visible_at
    await subject.elapse(1.5)
    assert await subject.queue.receive(max_messages=1, visibility_timeout_s=1) == ()
    with pytest.raises(Conflict):
        await subject.queue.update(first, visibility_timeout_s=1)
    with pytest.raises(Conflict):
        await subject.queue.delete(first)
    released = await subject.queue.update(second, visibility_timeout_s=0)
    assert (await take(subject.queue)).body == "held", released


async def test_who_lost_a_message_to_another_cannot_touch_it(subject: Subject) -> None:
    await subject.queue.send("contended")
    loser = await take(subject.queue, hidden_s=1)
    winner = await wait_for(subject)
    with pytest.raises(Conflict):
        await subject.queue.delete(loser)
    with pytest.raises(Conflict):
        await subject.queue.update(loser, visibility_timeout_s=0)
    await subject.queue.delete(winner)


async def test_a_late_owner_still_owns_what_nobody_else_took(subject: Subject) -> None:
    await subject.queue.send("late")
    message = await take(subject.queue, hidden_s=1)
    await subject.elapse(1.5)
    await subject.queue.delete(message)
    assert await subject.queue.receive(max_messages=1, visibility_timeout_s=1) == ()


async def test_deleting_twice_does_nothing_and_updating_what_is_gone_is_a_conflict(subject: Subject) -> None:
    await subject.queue.send("gone")
    message = await take(subject.queue)
    await subject.queue.delete(message)
    await subject.queue.delete(message)
    with pytest.raises(Conflict):
        await subject.queue.update(message, visibility_timeout_s=1)


async def test_48_kib_are_the_limit(subject: Subject) -> None:
    largest = "ß" * (24 * 1024)
    await subject.queue.send(largest)
    assert (await take(subject.queue)).body == largest
    with pytest.raises(TooLarge):
        await subject.queue.send(largest + "x")


@pytest.mark.parametrize("delay_s", [-1, WEEK_S + 1, float("nan")])
async def test_a_delay_out_of_bounds_is_refused(subject: Subject, delay_s: float) -> None:
    with pytest.raises(Invalid):
        await subject.queue.send("x", delay_s=delay_s)


async def test_the_longest_delay_is_accepted(subject: Subject) -> None:
    await subject.queue.send("x", delay_s=WEEK_S)
    assert await subject.queue.receive(max_messages=1, visibility_timeout_s=1) == ()


@pytest.mark.parametrize(("max_messages", "visibility_timeout_s"), [(0, 1), (33, 1), (1, 0), (1, WEEK_S + 1)])
async def test_a_receive_out_of_bounds_is_refused(
    subject: Subject, max_messages: int, visibility_timeout_s: float
) -> None:
    with pytest.raises(Invalid):
        await subject.queue.receive(max_messages=max_messages, visibility_timeout_s=visibility_timeout_s)


async def test_an_update_out_of_bounds_and_text_without_utf8_are_refused(subject: Subject) -> None:
    await subject.queue.send("x")
    message = await take(subject.queue)
    for timeout_s in (-1, WEEK_S + 1):
        with pytest.raises(Invalid):
            await subject.queue.update(message, visibility_timeout_s=timeout_s)
    with pytest.raises(Invalid):
        await subject.queue.send("\ud800")


async def test_many_readers_at_once_get_each_message_once(subject: Subject) -> None:
    sent = set(await asyncio.gather(*(subject.queue.send(str(number)) for number in range(40))))
    taken = await asyncio.gather(
        *(subject.queue.receive(max_messages=5, visibility_timeout_s=60) for _ in range(16)), return_exceptions=False
    )
    ids = [message.id for batch in taken for message in batch]
    assert len(ids) == len(set(ids))
    while rest := await subject.queue.receive(max_messages=32, visibility_timeout_s=60):
        ids += [message.id for message in rest]
    assert sorted(ids) == sorted(sent)


@pytest.mark.parametrize("name", ["", "ab", "Upper", "-a1", "a1-", "a--b", "under_score", "x" * 64, "../x", "abc\n"])
def test_names_that_azure_refuses_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        open_work_queues(tmp_path / "queue.db")(name)
    with pytest.raises(Invalid):
        open_work_queue("https://account.queue.core.windows.net", name, "UseDevelopmentStorage=true")


async def test_sqlite_queues_of_one_file_are_apart_and_survive_a_restart(tmp_path: Path) -> None:
    queues = open_work_queues(tmp_path / "queue.db")
    await queues("first").send("a")
    await queues("second").send("b")
    await queues.close()
    again = open_work_queues(tmp_path / "queue.db")
    assert (await take(again("second"))).body == "b"
    assert (await take(again("first"))).body == "a"
    await again.close()


async def test_sqlite_forgets_a_message_after_seven_days(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    queues = open_work_queues(tmp_path / "queue.db", clock)
    await queues("old").send("x", delay_s=10)
    clock.advance(WEEK_S + 9)
    assert await queues("old").receive(max_messages=1, visibility_timeout_s=1)
    clock.advance(1)
    assert await queues("old").receive(max_messages=1, visibility_timeout_s=1) == ()
    await queues.close()


async def test_what_a_killed_host_held_can_be_released_but_not_what_is_delayed(tmp_path: Path) -> None:
    queues = open_work_queues(tmp_path / "queue.db")
    await queues("held").send("held")
    await queues("held").send("delayed", delay_s=60)
    message = await take(queues("held"), hidden_s=600)
    assert await queues.release_all() == 1
    assert (await take(queues("held"))).dequeue_count == 2
    assert await queues("held").receive(max_messages=1, visibility_timeout_s=1) == ()
    with pytest.raises(Conflict):
        await queues("held").delete(message)
    await queues.close()


async def test_a_sqlite_send_wakes_who_waits_for_that_queue(tmp_path: Path) -> None:
    queues = open_work_queues(tmp_path / "queue.db", SystemClock())
    waiting = asyncio.create_task(signal_for(tmp_path / "queue.db", "woken").wait(60))
    await asyncio.sleep(0)
    await queues("woken").send("x")
    await asyncio.wait_for(waiting, 10)
    await queues.close()


async def test_what_the_functions_host_writes_and_reads_is_base64(azurite: AzuriteServer) -> None:
    from azure.storage.queue.aio import QueueClient

    name = f"q-{uuid.uuid4().hex}"
    async with QueueClient.from_connection_string(azurite.connection_string, name) as client:
        await client.create_queue()
        queue = AzureWorkQueue(client)
        await queue.send("plain")
        raw = await client.receive_message(visibility_timeout=30)
        assert raw is not None
        assert base64.b64decode(raw.content) == b"plain"
        await client.send_message("not base64!")
        assert (await take(queue)).body == "not base64!"


async def test_a_queue_that_does_not_exist_and_a_service_that_is_down(azurite: AzuriteServer) -> None:
    absent = open_work_queue(azurite.queue_url, "never-made", azurite.connection_string)
    with pytest.raises(NotFound):
        await absent.send("x")
    with pytest.raises(NotFound):
        await absent.receive(max_messages=1, visibility_timeout_s=1)
    await absent.close()


async def test_a_wrong_key_is_refused_without_saying_it(azurite: AzuriteServer) -> None:
    wrong = base64.b64encode(b"w" * 64).decode()
    queue = open_work_queue(azurite.queue_url, "any", azurite.connection_string.replace(azurite.key, wrong))
    with pytest.raises(SlipwayError) as caught:
        await queue.send("x")
    assert wrong not in str(caught.value)
    await queue.close()
