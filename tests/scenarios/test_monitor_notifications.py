"""Who is told of what monitors find: receivers that are there, down, refuse, or that come back after a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook as Verifier

from shared.adapters.local.clock import ManualClock
from shared.bootstrap import ControlPlane
from tests.doubles.smtp_server import smtp_server
from tests.doubles.webhook_receiver import Received, WebhookReceiver, webhook_receiver
from tests.plane import events_of, make_plane
from tests.scenarios.alerted import collect, declare, look, monitor, run

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
SIGNING_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPS = {"name": "ops", "type": "webhook", "url_secret": "ops-url", "signing_secret": "ops.key"}
DRIFT = "Microsoft.MachineLearningServices.DatasetDriftDetected"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebhookReceiver]:
    async with webhook_receiver() as made:
        monkeypatch.setenv("SLIPWAY_NOTIFIER_SECRET_OPS_URL", made.url)
        monkeypatch.setenv("SLIPWAY_NOTIFIER_SECRET_OPS_KEY", SIGNING_KEY)
        yield made


def plane_of(folder: Path, clock: ManualClock, *notifiers: dict[str, Any], **settings: Any) -> ControlPlane:
    return make_plane(folder / "data", clock, notifiers=json.dumps([OPS, *notifiers]), **settings)


@pytest.fixture
def plane(tmp_path: Path, clock: ManualClock) -> ControlPlane:
    collect(tmp_path / "data", NOON - timedelta(minutes=30), shift=50)
    return plane_of(tmp_path, clock)


def told(*names: str, **more: Any) -> dict[str, Any]:
    return monitor(alert_notification={"notifiers": list(names), **more})


def condition(found: dict[str, Any]) -> tuple[str, str]:
    (one,) = [each for each in found["run"]["conditions"] if each["type"] == "NotificationsSent"]
    return one["status"], one["reason"]


def taken(receiver: WebhookReceiver) -> list[tuple[str, str]]:
    """What was said of which signal; each delivery's signature and id hold."""
    found = []
    for one in receiver.deliveries:
        (document,) = one.events
        assert one.headers["webhook-id"] == document["id"]
        at = datetime.fromtimestamp(int(one.headers["webhook-timestamp"]), UTC)
        signature = Verifier(SIGNING_KEY).sign(document["id"], at, one.body.decode())
        assert one.headers["webhook-signature"] == signature
        found.append((document["signal"], document["announcement"]))
    return found


async def test_a_breach_is_told_once(plane: ControlPlane, receiver: WebhookReceiver) -> None:
    await declare(plane, told("ops"))
    found = await run(plane)
    assert (found["run"]["phase"], found["run"]["verdict"]) == ("Succeeded", "Breached"), found
    assert condition(found) == ("True", "Sent")
    await look(plane, found["run"]["monitor_run_id"])
    assert taken(receiver) == [("inputs", "Raised")]
    document = receiver.deliveries[0].events[0]
    assert document["run_id"] == found["run"]["monitor_run_id"]
    assert document["findings"][0]["feature"] == "a"
    assert (await events_of(plane)).count(DRIFT) == 1


async def test_a_receiver_that_is_down_holds_no_run_up_and_is_told_when_it_is_back(
    plane: ControlPlane, receiver: WebhookReceiver, clock: ManualClock
) -> None:
    async def down(received: Received) -> web.Response:
        return web.Response(status=503)

    answer, receiver.answer = receiver.answer, down
    await declare(plane, told("ops"))
    found = await run(plane)
    run_id = found["run"]["monitor_run_id"]
    assert (found["run"]["phase"], condition(found)) == ("Succeeded", ("False", "Retrying"))
    assert "503" in found["run"]["conditions"][0]["message"]
    clock.advance(86_000)
    await look(plane, run_id)
    receiver.answer = answer
    clock.advance(600)
    assert await plane.look_again() >= 1
    await look(plane, run_id)
    assert condition(await run(plane, run_id)) == ("True", "Sent")
    assert len(receiver.accepted_ids) == 1
    assert len({one.headers["webhook-id"] for one in receiver.deliveries}) == 1


async def test_a_control_plane_that_ends_before_it_told_is_followed_by_one_that_does(
    plane: ControlPlane, receiver: WebhookReceiver, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await declare(plane, told("ops"))
    monkeypatch.delenv("SLIPWAY_NOTIFIER_SECRET_OPS_KEY")
    found = await run(plane)
    assert condition(found) == ("False", "Retrying")
    assert "SLIPWAY_NOTIFIER_SECRET_OPS_KEY" in found["run"]["conditions"][0]["message"]
    monkeypatch.setenv("SLIPWAY_NOTIFIER_SECRET_OPS_KEY", SIGNING_KEY)
    clock.advance(3600)
    after = plane_of(tmp_path, clock, instance_id="second")
    assert await after.look_again() >= 1
    await look(after, found["run"]["monitor_run_id"])
    assert taken(receiver) == [("inputs", "Raised")]


async def test_a_receiver_that_refuses_is_said_and_not_asked_again(
    plane: ControlPlane, receiver: WebhookReceiver, clock: ManualClock
) -> None:
    async def gone(received: Received) -> web.Response:
        return web.Response(status=410)

    receiver.answer = gone
    await declare(plane, told("ops"))
    found = await run(plane)
    assert condition(found) == ("False", "Refused")
    clock.advance(86_400)
    await look(plane, found["run"]["monitor_run_id"])
    assert len(receiver.deliveries) == 1


async def test_of_two_runs_at_once_one_tells(
    plane: ControlPlane, receiver: WebhookReceiver, clock: ManualClock, tmp_path: Path
) -> None:
    await declare(plane, told("ops"))
    other = plane_of(tmp_path, clock, instance_id="second")
    both = await asyncio.gather(run(plane), run(other))
    assert [found["run"]["verdict"] for found in both] == ["Breached", "Breached"]
    assert taken(receiver) == [("inputs", "Raised")]
    assert (await events_of(plane)).count(DRIFT) == 1
    clock.advance(60)
    collect(tmp_path / "data", NOON - timedelta(minutes=10), shift=50)
    await run(plane)
    assert taken(receiver)[1:] == [("inputs", "Repeated")]


async def test_the_policy_of_the_file_decides(
    plane: ControlPlane, receiver: WebhookReceiver, clock: ManualClock, tmp_path: Path
) -> None:
    policy = {"consecutive_breaches": 2, "cool_down": "PT6H", "minimum_severity": "CRITICAL"}
    notification = {"notifiers": ["ops"], "notify_on": ["breached", "recovered"]}
    await declare(plane, monitor(alert_policy=policy, alert_notification=notification))
    for hour, shift in enumerate([50, 50, 50, 0]):
        collect(tmp_path / "data", clock.now() - timedelta(minutes=30), shift)
        await run(plane)
        assert len(taken(receiver)) == (0, 1, 1, 2)[hour]
        clock.advance(3600)
    assert taken(receiver) == [("inputs", "Raised"), ("inputs", "Resolved")]


async def test_failed_runs_are_told_where_that_is_wanted(
    plane: ControlPlane, receiver: WebhookReceiver, clock: ManualClock, tmp_path: Path
) -> None:
    await declare(plane, told("ops", notify_on=["failed", "recovered"]))
    folder = tmp_path / "data" / "collected" / "diabetes" / "blue" / "model_inputs"
    (file,) = folder.rglob("*.jsonl")
    whole = file.read_text()
    file.write_text(whole.replace('"a"', '"c"').replace('"b"', '"d"'))
    found = await run(plane)
    assert found["run"]["verdict"] == "Failed", found
    clock.advance(60)
    file.write_text(whole)
    await run(plane)
    assert taken(receiver) == [("", "Raised"), ("", "Resolved")]
    first, second = (one.events[0] for one in receiver.deliveries)
    assert first["title"] == "Warning: watch: a run failed"
    assert "inputs" in first["reason"]
    assert second["title"] == "watch: runs end well again"


async def test_addresses_are_mailed_by_the_mail_server_there_is(
    tmp_path: Path, clock: ManualClock, receiver: WebhookReceiver
) -> None:
    collect(tmp_path / "data", NOON - timedelta(minutes=30), shift=50)
    async with smtp_server() as server:
        mail = {"name": "mail", "type": "smtp", "host": "127.0.0.1", "port": server.port, "security": "none"}
        plane = plane_of(tmp_path, clock, {**mail, "sender": "slipway@example.com"})
        outcome = await declare(plane, monitor(alert_notification={"emails": ["a@example.com", "b@example.com"]}))
        assert (outcome.result, outcome.reason) == ("created", "")
        assert condition(await run(plane)) == ("True", "Sent")
        (message,) = server.messages
        assert message["Subject"].startswith("Critical: watch: inputs breaches its thresholds")
        assert message["To"] == "a@example.com, b@example.com"


@pytest.mark.parametrize(
    ("definition", "pointer", "words"),
    [
        (
            {"alert_notification": {"notifiers": ["oops"]}},
            "/alert_notification/notifiers/0",
            "control plane's: mail, ops",
        ),
        (
            {"alert_notification": {"notifiers": ["mail"]}},
            "/alert_notification/notifiers/0",
            "no recipients of its own",
        ),
        ({"alert_notification": {"emails": ["me"]}}, "/alert_notification/emails", "'me' is no address"),
        ({"alert_notification": {}}, "/alert_notification", "emails, or notifiers"),
        ({"alert_notification": {"notifiers": ["ops"], "notify_on": ["always"]}}, "/notify_on/0", "recovered"),
        ({"alert_policy": {"cool_down": "6h"}}, "/alert_policy/cool_down", "'6h' is no duration"),
        ({"alert_policy": {"consecutive_breaches": 0}}, "/alert_policy/consecutive_breaches", "1"),
        ({"alert_policy": {"cooldown": "PT6H"}}, "/alert_policy/cooldown", "cool_down"),
    ],
)
async def test_what_is_wrong_is_said_when_it_is_applied(
    tmp_path: Path, clock: ManualClock, definition: dict[str, Any], pointer: str, words: str
) -> None:
    mail = {"name": "mail", "type": "smtp", "host": "127.0.0.1", "sender": "slipway@example.com"}
    outcome = await declare(plane_of(tmp_path, clock, mail), monitor(**definition))
    assert outcome.result == "refused"
    assert pointer in str(outcome.faults)
    assert words in str(outcome.faults)
    assert "'line': " in str(outcome.faults)


async def test_what_azure_ml_would_tell_and_slipway_does_not_is_said(tmp_path: Path, clock: ManualClock) -> None:
    plane = make_plane(tmp_path / "data", clock)
    outcome = await declare(plane, monitor(alert_notification={"emails": ["a@example.com"]}))
    assert (outcome.result, "no notifier of the type smtp" in outcome.reason) == ("created", True)
    outcome = await declare(plane, monitor(alert_notification="AzMonitoring"))
    assert (outcome.result, "Azure Monitor are not written" in outcome.reason) == ("updated", True)
