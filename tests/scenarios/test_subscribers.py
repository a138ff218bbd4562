"""Subscribers that are down, fail or hang: they get what they are owed, or a dead-letter file, and harm nobody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.local_host import LocalHost, running, wait_until
from tests.scenarios.receiver import MODEL_REGISTERED, Mode, receiving
from tests.scenarios.rest import listed, push, subscribe

COUNT = 12
REGISTERED = [("watched", number) for number in range(1, COUNT + 1)]
IMPATIENT = {"SLIPWAY_EVENTGRID_BACKOFF_SCALE": "0.001"}  # 10 s become 10 ms, half an hour 2 s
ONLY_REGISTERED = {"included_event_types": [MODEL_REGISTERED]}


async def register_all(host: LocalHost) -> None:
    async with host.client() as http:
        await asyncio.gather(*(push(http, "watched", {"m.onnx": f"model {n}".encode()}) for n in range(COUNT)))


def dead_letters(host: LocalHost, subscription: str) -> list[dict[str, Any]]:
    """The events in the dead-letter files of a subscription: DIRECTORY/SUBSCRIPTION/YYYY/M/D/H/GUID.json."""
    files = host.data_dir.glob(f"dead-letter/{subscription}/*/*/*/*/*.json")
    return [event for file in files for event in json.loads(file.read_text())]


async def test_a_subscriber_that_was_down_receives_everything_later(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "data", **IMPATIENT) as host,
        receiving() as healthy,
        receiving() as absent,
        host.client() as http,
    ):
        await subscribe(http, "healthy", healthy.url, **ONLY_REGISTERED)
        await subscribe(http, "absent", absent.url, **ONLY_REGISTERED)
        await absent.down()
        await register_all(host)
        await wait_until(lambda: healthy.registered == REGISTERED, 60, "the healthy one has everything")
        assert absent.accepted == []
        await absent.up()
        await wait_until(lambda: absent.registered == REGISTERED, 60, "the absent one has everything")
        assert dead_letters(host, "absent") == []


async def test_what_a_subscriber_is_owed_survives_a_kill_of_the_host(tmp_path: Path) -> None:
    async with running(tmp_path / "data", **IMPATIENT) as host, receiving() as absent:
        async with host.client() as http:
            await subscribe(http, "absent", absent.url, **ONLY_REGISTERED)
        await absent.down()
        await register_all(host)
        await host.restart()
        assert absent.accepted == []
        await absent.up()
        await wait_until(lambda: absent.registered == REGISTERED, 60, "it has everything")


@pytest.mark.parametrize(
    ("mode", "reason", "attempts"),
    [("failing", "MaxDeliveryAttemptsExceeded", 3), ("refusing", "UndeliverableDueToClientError", 1)],
)
async def test_one_that_always_fails_ends_in_dead_letter_files_and_harms_no_other(
    tmp_path: Path, mode: Mode, reason: str, attempts: int
) -> None:
    async with (
        running(tmp_path / "data", **IMPATIENT) as host,
        receiving() as healthy,
        receiving() as broken,
        host.client() as http,
    ):
        await subscribe(http, "healthy", healthy.url, **ONLY_REGISTERED)
        await subscribe(http, "broken", broken.url, max_delivery_attempts=3, **ONLY_REGISTERED)
        broken.mode = mode
        await register_all(host)
        await wait_until(lambda: healthy.registered == REGISTERED, 60, "the healthy one has everything")
        await wait_until(lambda: len(dead_letters(host, "broken")) == COUNT, 60, "every event is a dead letter")
        letters = dead_letters(host, "broken")
        subjects = {event["subject"] for event in await listed(http, "/api/events", type=MODEL_REGISTERED)}
        assert {letter["subject"] for letter in letters} == subjects
        assert {letter["deadLetterReason"] for letter in letters} == {reason}
        assert {letter["deliveryAttempts"] for letter in letters} == {attempts}
        assert broken.attempts == COUNT * attempts
        assert not list(host.data_dir.glob("dead-letter/healthy/**/*.json"))


async def test_one_that_never_answers_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "data", **IMPATIENT) as host,
        receiving() as healthy,
        receiving() as hanging,
        host.client() as http,
    ):
        await subscribe(http, "hanging", hanging.url, **ONLY_REGISTERED)
        await subscribe(http, "healthy", healthy.url, **ONLY_REGISTERED)
        hanging.mode = "hanging"
        await register_all(host)
        await wait_until(lambda: hanging.attempts > 0, 60, "a delivery hangs")
        await wait_until(lambda: healthy.registered == REGISTERED, 20, "the healthy one does not wait")
        assert hanging.accepted == []
        await host.stop()  # nor does Ctrl-C wait for it
