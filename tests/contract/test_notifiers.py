"""One suite for every notifier, each against a real receiver on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiohttp import web
from pydantic import TypeAdapter, ValidationError
from standardwebhooks import Webhook as Verifier

from shared.adapters.local.clock import ManualClock, SystemClock
from shared.adapters.notifiers.table import notifier_of
from shared.errors import Invalid, Permanent, Retryable, SlipwayError
from shared.monitors.deliveries import GIVE_UP_S, condition_of, owed
from shared.monitors.notifications import title_of
from shared.monitors.notifying import tell
from shared.ports import Notifier
from shared.resources.alerts import Announcement, Severity
from shared.resources.notification import DeliveryState, Finding, Notification, NotifierDeclaration, OwedNotification
from tests.doubles.logs_ingestion import COLUMNS, LogsIngestion
from tests.doubles.smtp_server import smtp_server
from tests.doubles.tokens import TokenDouble
from tests.doubles.webhook_receiver import Received, WebhookReceiver, webhook_receiver

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
SIGNING_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTE = Notification(
    id="0b6b4f6e-6c0e-5b8c-9a53-5f2d7c1f0a77",
    monitor="watch-diabetes",
    run_id="r-1",
    signal="data_drift",
    endpoint="diabetes/blue",
    announcement=Announcement.RAISED,
    severity=Severity.WARNING,
    at=datetime(2026, 11, 26, 12, tzinfo=UTC),
    findings=[Finding(feature="<b*m*i> & co", metric="jensen_shannon_distance", value=0.31, threshold=0.1)],
    left_out=2,
)


@dataclass
class Case:
    """A notifier and what its receiver has."""

    notifier: Notifier
    texts: Callable[[], list[str]]  # everything that was taken
    refuse: Callable[[list[int]], None]  # what the next ones are answered with, by HTTP status


def made(**declared: object) -> Callable[[dict[str, str]], Notifier]:
    parsed: NotifierDeclaration = TypeAdapter(NotifierDeclaration).validate_python({"name": "team", **declared})

    def with_secrets(secrets: dict[str, str]) -> Notifier:
        return notifier_of(parsed, secrets.__getitem__, SystemClock())

    return with_secrets


def refusing(receiver: WebhookReceiver) -> tuple[list[int], Callable[[list[int]], None], list[Received]]:
    codes: list[int] = []
    taken: list[Received] = []

    async def accept(received: Received) -> web.Response:
        if codes:
            return web.Response(status=codes.pop(0), headers={"location": receiver.url})
        taken.append(received)
        return web.Response(status=202)

    receiver.answer = accept
    return codes, codes.extend, taken


@asynccontextmanager
async def by_http(kind: str) -> AsyncIterator[Case]:
    async with webhook_receiver() as receiver:
        _, refuse, taken = refusing(receiver)
        said = {"type": kind, "url_secret": "url", **({"signing_secret": "key"} if kind == "webhook" else {})}
        notifier = made(**said)({"url": receiver.url, "key": SIGNING_KEY})
        yield Case(notifier, lambda: [one.body.decode() for one in taken], refuse)


@asynccontextmanager
async def by_mail() -> AsyncIterator[Case]:
    async with smtp_server(login="me\0a-password") as server:
        said = {"type": "smtp", "host": "127.0.0.1", "port": server.port, "security": "none", "username": "me"}
        said |= {"password_secret": "word", "sender": "slipway@example.com", "recipients": ["a@example.com"]}
        notifier = made(**said)({"word": "a-password"})

        def refuse(codes: list[int]) -> None:
            server.answers += [f"{450 if code in (429, 503) else 550} no" for code in codes]

        yield Case(notifier, lambda: [str(one) for one in server.messages], refuse)


@asynccontextmanager
async def by_azure_monitor() -> AsyncIterator[Case]:
    rule = {"rule_id": f"dcr-{'0f' * 16}", "stream": "Custom-SlipwayAlerts_CL"}
    tokens = TokenDouble()
    double = LogsIngestion(tokens, **rule)
    async with tokens.listening(), double.listening():
        with pytest.MonkeyPatch.context() as patched:
            for name, value in tokens.environ.items():
                patched.setenv(name, value)
            notifier = made(type="azure_monitor", endpoint=double.url, **rule)({})
            yield Case(notifier, lambda: [json.dumps(row) for row in double.rows], double.refusals.extend)


OTHERS = {"smtp": by_mail, "azure_monitor": by_azure_monitor}


@pytest.fixture(params=["webhook", "teams", "slack", "smtp", "azure_monitor"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    other = OTHERS.get(request.param)
    async with other() if other else by_http(request.param) as made_case:
        yield made_case


async def test_it_says_what_is_wrong_and_of_what(case: Case) -> None:
    await case.notifier.send(NOTE)
    (text,) = case.texts()
    for word in ("watch-diabetes", "diabetes/blue", "data", "0.31", "r-1"):
        assert word in text


async def test_what_is_over_says_so(case: Case) -> None:
    over = NOTE.model_copy(
        update={"announcement": Announcement.RESOLVED, "severity": Severity.NONE, "findings": [], "left_out": 0}
    )
    await case.notifier.send(over)
    assert "within its thresholds again" in " ".join(case.texts()[0].split())


@pytest.mark.parametrize(("code", "kind"), [(503, Retryable), (429, Retryable), (404, Permanent), (307, Permanent)])
async def test_what_is_not_taken_is_told_apart_and_says_no_secret(
    case: Case, code: int, kind: type[SlipwayError]
) -> None:
    case.refuse([code])
    with pytest.raises(kind) as raised:
        await case.notifier.send(NOTE)
    assert case.texts() == []
    for secret in ("127.0.0.1", "/hook", SIGNING_KEY, "a-password"):
        assert secret not in str(raised.value)


def owes(*names: str, clock: ManualClock) -> list[OwedNotification]:
    return owed([NOTE], names, clock.now())


async def test_it_is_sent_again_until_it_is_taken_and_not_once_more(case: Case) -> None:
    clock = ManualClock(START)
    case.refuse([503, 429])
    left = owes("team", clock=clock)
    for pause_s in (0, 5, 10, 600):
        clock.advance(pause_s)
        left = await tell(left, {"team": case.notifier}.__getitem__, START, clock)
    (delivery,) = left[0].deliveries
    assert (delivery.state, delivery.attempts, delivery.problem) == (DeliveryState.SENT, 3, "")
    assert len(case.texts()) == 1


async def test_it_is_not_tried_before_its_time_nor_for_ever(case: Case) -> None:
    clock = ManualClock(START)
    case.refuse([503] * 3)
    left = await tell(owes("team", clock=clock), {"team": case.notifier}.__getitem__, START, clock)
    left = await tell(left, {"team": case.notifier}.__getitem__, START, clock)
    assert left[0].deliveries[0].attempts == 1
    clock.advance(GIVE_UP_S)
    left = await tell(left, {"team": case.notifier}.__getitem__, START, clock)
    assert left[0].deliveries[0].state == DeliveryState.GIVEN_UP
    clock.advance(GIVE_UP_S)
    assert await tell(left, {"team": case.notifier}.__getitem__, START, clock) == left
    condition = condition_of(left, clock.now())
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "GivenUp")
    assert case.texts() == []


async def test_one_that_refuses_keeps_no_other_from_being_told(case: Case) -> None:
    clock = ManualClock(START)
    async with by_http("slack") as other:
        other.refuse([410])
        named = {"a": other.notifier, "b": case.notifier}
        (found,) = await tell(owes("a", "b", clock=clock), named.__getitem__, START, clock)
    assert [(one.state, one.problem) for one in found.deliveries] == [
        (DeliveryState.REFUSED, "the receiver answered 410"),
        (DeliveryState.SENT, ""),
    ]
    assert len(case.texts()) == 1


async def test_what_is_wrong_with_the_settings_is_tried_again_when_they_are_right() -> None:
    clock = ManualClock(START)
    async with webhook_receiver() as receiver:
        secrets = {"url": "ftp://nowhere"}
        notifier = made(type="slack", url_secret="url")(secrets)
        left = await tell(owes("team", clock=clock), {"team": notifier}.__getitem__, START, clock)
        condition = condition_of(left, clock.now())
        assert condition is not None
        assert (condition.reason, "secret url" in condition.message) == ("Retrying", True)
        secrets["url"] = receiver.url
        clock.advance(5)
        left = await tell(left, {"team": notifier}.__getitem__, START, clock)
        assert left[0].deliveries[0].state == DeliveryState.SENT


async def test_a_receiver_that_is_not_there_is_retried_later() -> None:
    async with webhook_receiver() as receiver:
        url = receiver.url
    with pytest.raises(Retryable, match="cannot be reached"):
        await made(type="slack", url_secret="url")({"url": url}).send(NOTE)


async def test_webhooks_are_signed_and_attempts_have_one_id() -> None:
    async with webhook_receiver() as receiver:
        codes, _, _ = refusing(receiver)
        codes.append(500)
        notifier = made(type="webhook", url_secret="url", signing_secret="key")(
            {"url": receiver.url, "key": SIGNING_KEY}
        )
        clock = ManualClock(START)
        left = await tell(owes("team", clock=clock), {"team": notifier}.__getitem__, START, clock)
        clock.advance(5)
        await tell(left, {"team": notifier}.__getitem__, START, clock)
        for delivery in receiver.deliveries:
            document = Verifier(SIGNING_KEY).verify(delivery.body.decode(), delivery.headers)
            assert document == json.loads(delivery.body)
        assert [one.headers["webhook-id"] for one in receiver.deliveries] == [NOTE.id, NOTE.id]
        assert json.loads(receiver.deliveries[0].body)["title"] == title_of(NOTE)


async def test_names_are_no_markup() -> None:
    async with by_http("teams") as teams, by_http("slack") as slack:
        for one in (teams, slack):
            await one.notifier.send(NOTE)
        assert "<b\\\\*m\\\\*i>" in teams.texts()[0]
        blocks = json.loads(slack.texts()[0])["blocks"]
        assert {block.get("text", {"type": "plain_text"})["type"] for block in blocks} == {"plain_text"}


@pytest.mark.parametrize("url", ["http://example.com/hook", "file:///etc/passwd", "hook", "https:///path"])
async def test_urls_that_are_not_accepted_are_not_shown(url: str) -> None:
    with pytest.raises(Invalid) as raised:
        await made(type="slack", url_secret="slack-url")({"slack-url": url}).send(NOTE)
    assert "slack-url" in str(raised.value)
    assert not any(part in str(raised.value) for part in ("example.com", "passwd", "hook", "/path"))


async def test_mail_goes_unencrypted_to_this_machine_only() -> None:
    said = {"type": "smtp", "host": "mail.example.com", "security": "none", "sender": "a@b.c", "recipients": ["d@e.f"]}
    with pytest.raises(Invalid, match="unencrypted"):
        made(**said)({})


async def test_a_wrong_password_is_permanent_and_the_mails_id_is_the_notifications() -> None:
    async with smtp_server(login="me\0right") as server:
        said = {"type": "smtp", "host": "127.0.0.1", "port": server.port, "security": "none", "username": "me"}
        said |= {"password_secret": "word", "sender": "slipway@example.com", "recipients": ["a@example.com"]}
        with pytest.raises(Permanent, match="535"):
            await made(**said)({"word": "wrong"}).send(NOTE)
        await made(**said)({"word": "right"}).send(NOTE)
        assert server.messages[0]["Message-ID"] == f"<{NOTE.id}@slipway>"


async def test_a_row_of_azure_monitor_has_every_column() -> None:
    async with by_azure_monitor() as case:
        await case.notifier.send(NOTE)
        row = json.loads(case.texts()[0])
    assert list(row) == list(COLUMNS)
    assert row["Findings"][0]["value"] == 0.31
    assert row["Id"] == NOTE.id


async def test_no_identity_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = TokenDouble()
    async with tokens.listening():
        monkeypatch.setenv("IDENTITY_ENDPOINT", tokens.environ["IDENTITY_ENDPOINT"])
        monkeypatch.setenv("IDENTITY_HEADER", "another")
        monkeypatch.setenv("PATH", "")  # no developer's sign-in
        rule = {"rule_id": f"dcr-{'0f' * 16}", "stream": "Custom-SlipwayAlerts_CL"}
        with pytest.raises(Retryable, match="no token for Azure Monitor"):
            await made(type="azure_monitor", endpoint="https://127.0.0.1:9", **rule)({}).send(NOTE)


@pytest.mark.parametrize("endpoint", ["http://example.com", "https://a.example/path", "ftp://a", "https://a@b"])
def test_an_endpoint_of_azure_monitor_is_a_host(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="endpoint"):
        made(type="azure_monitor", endpoint=endpoint, rule_id=f"dcr-{'0f' * 16}", stream="s")
