"""What every EventSubscriptions keeps: the local Event Grid, and Azure Resource Manager's double."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.azure.event_subscriptions import AzureEventSubscriptions
from shared.adapters.local.clock import ManualClock
from shared.adapters.local.event_grid import open_event_grid
from shared.adapters.local.event_subscriptions import LocalEventSubscriptions
from shared.errors import Invalid, NotFound, NotSupported, Permanent, Retryable, Unauthorized
from shared.ports import EventSubscriptions, Subscription
from tests.doubles.arm_event_subscriptions import TOPIC_ID, ArmDouble, TokenCredential, arm_double
from tests.doubles.webhook_receiver import bound_socket, webhook_receiver


async def at_once(_: float) -> None:
    """Stands in for waiting between two polls."""


@dataclass
class Subject:
    subscriptions: EventSubscriptions
    agrees: str
    silent: str
    refuses: str


@pytest.fixture(params=["local", "azure"])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    async with AsyncExitStack() as stack:
        if request.param == "azure":
            arm = await stack.enter_async_context(arm_double())
            hosts = [f"https://{name}.example/hook" for name in ("agrees", "silent", "refuses")]
            yield Subject(azure(arm), *hosts)
            return
        receivers = [
            await stack.enter_async_context(webhook_receiver(name)) for name in ("agrees", "silent", "refuses")
        ]
        grid = open_event_grid(tmp_path / "eventgrid.db", ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
        stack.push_async_callback(grid.close)
        yield Subject(LocalEventSubscriptions(grid), *(each.url for each in receivers))


def azure(arm: ArmDouble, **fields: Any) -> AzureEventSubscriptions:
    return AzureEventSubscriptions(TOPIC_ID, TokenCredential(), arm.url, sleep=at_once, **fields)  # type: ignore[arg-type]


async def test_a_subscription_is_kept_as_it_was_asked_for(subject: Subject) -> None:
    asked = Subscription(
        name="all-fields",
        endpoint_url=subject.agrees,
        included_event_types=("Microsoft.MachineLearningServices.ModelRegistered",),
        subject_begins_with="models/",
        subject_ends_with=":1",
        is_subject_case_sensitive=True,
        advanced_filters=({"operatorType": "StringIn", "key": "data.modelName", "values": ["a", "b"]},),
        max_delivery_attempts=5,
        event_time_to_live_min=10,
    )
    made = await subject.subscriptions.put(asked)
    assert made == replace(asked, state="Succeeded")
    assert await subject.subscriptions.list() == (made,)


async def test_subscriptions_are_listed_by_name(subject: Subject) -> None:
    assert await subject.subscriptions.list() == ()
    for name in ("charlie", "alpha", "echo", "bravo", "delta"):
        await subject.subscriptions.put(Subscription(name, subject.agrees))
    listed = await subject.subscriptions.list()
    assert [each.name for each in listed] == ["alpha", "bravo", "charlie", "delta", "echo"]


async def test_put_again_replaces(subject: Subject) -> None:
    await subject.subscriptions.put(Subscription("same", subject.agrees, subject_begins_with="models/"))
    await subject.subscriptions.put(Subscription("same", subject.agrees, max_delivery_attempts=2))
    (kept,) = await subject.subscriptions.list()
    assert (kept.subject_begins_with, kept.max_delivery_attempts) == ("", 2)


async def test_deleted_is_gone_and_deleting_nothing_says_so(subject: Subject) -> None:
    await subject.subscriptions.put(Subscription("one", subject.agrees))
    await subject.subscriptions.delete("one")
    assert await subject.subscriptions.list() == ()
    for name in ("one", "..", "a/b", ""):
        with pytest.raises(NotFound):
            await subject.subscriptions.delete(name)


async def test_an_endpoint_that_refuses_is_invalid_and_not_kept(subject: Subject) -> None:
    with pytest.raises(Invalid) as caught:
        await subject.subscriptions.put(Subscription("refused", f"{subject.refuses}?code=secret"))
    assert caught.value.faults[0].pointer == "/endpoint_url"
    assert "secret" not in str(caught.value)
    assert await subject.subscriptions.list() == ()


async def test_an_endpoint_that_says_nothing_awaits_manual_action(subject: Subject) -> None:
    made = await subject.subscriptions.put(Subscription("silent", subject.silent))
    assert made.state == "AwaitingManualAction"
    assert made.state_reason
    assert await subject.subscriptions.list() == (made,)


async def test_all_faults_come_at_once_before_anybody_is_asked(subject: Subject) -> None:
    bad = Subscription(
        "x",
        "http://receiver.example/",
        max_delivery_attempts=0,
        advanced_filters=({"operatorType": "Like", "key": "data.a"},),
    )
    with pytest.raises(Invalid) as caught:
        await subject.subscriptions.put(bad)
    pointers = [fault.pointer for fault in caught.value.faults]
    assert pointers == ["/name", "/max_delivery_attempts", "/endpoint_url", "/advanced_filters/0/operatorType"]


async def test_azure_does_not_sign_and_wants_https() -> None:
    async with arm_double() as arm:
        with pytest.raises(NotSupported):
            await azure(arm).put(Subscription("signed", "https://a.example/"), signing_secret="whsec_" + "A" * 32)
        with pytest.raises(Invalid):
            await azure(arm).put(Subscription("plain", "http://127.0.0.1/"))
        assert arm.requests == []


async def test_azure_sends_its_token_only_to_the_management_url() -> None:
    async with arm_double() as arm, arm_double() as stranger:
        arm.operation_host = stranger.url
        with pytest.raises(Permanent, match="another host"):
            await azure(arm).put(Subscription("one", "https://agrees.example/"))
        assert stranger.requests == []
    with pytest.raises(Invalid):
        AzureEventSubscriptions(TOPIC_ID, TokenCredential(), "http://management.example")  # type: ignore[arg-type]


async def test_azure_says_what_is_missing_or_down() -> None:
    sock = bound_socket()
    down = AzureEventSubscriptions(TOPIC_ID, TokenCredential(), f"http://127.0.0.1:{sock.getsockname()[1]}")  # type: ignore[arg-type]
    with pytest.raises(Retryable):
        await down.list()
    sock.close()
    async with arm_double() as arm:
        stranger = AzureEventSubscriptions(TOPIC_ID, TokenCredential("wrong"), arm.url)  # type: ignore[arg-type]
        with pytest.raises(Unauthorized):
            await stranger.list()
        with pytest.raises(NotSupported, match="SLIPWAY_EVENTGRID_TOPIC_ID"):
            await AzureEventSubscriptions("", TokenCredential(), arm.url).list()  # type: ignore[arg-type]


async def test_azure_asks_for_a_token_of_the_resource_manager() -> None:
    credential = TokenCredential()
    async with arm_double() as arm:
        await AzureEventSubscriptions(TOPIC_ID, credential, arm.url).list()  # type: ignore[arg-type]
    assert credential.scopes == ["https://management.azure.com/.default"]
