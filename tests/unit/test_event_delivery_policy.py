"""The whole table of retries: what Event Grid does after each answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.local_host.event_delivery_policy import DeadLetter, Deliver, Done, Outcome, Retry, decide
from shared.ports import Subscription

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SUBSCRIPTION = Subscription("a-name", "https://receiver.example/hook")
SCHEDULE_S = (10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 43_200, 43_200)


def after(attempts: int, outcome: Outcome | None, subscription: Subscription = SUBSCRIPTION, **more: float) -> object:
    return decide(attempts, outcome, NOW, subscription, NOW - timedelta(minutes=1), **more)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204])
def test_200_to_204_are_success(status: int) -> None:
    assert after(30, Outcome(status)) == Done()


@pytest.mark.parametrize("status", [205, 206, 301, 302, 307, 404, 405, 409, 429, 500, 502, 504])
def test_everything_else_is_tried_again_after_10_s(status: int) -> None:
    assert after(1, Outcome(status)) == Retry(NOW + timedelta(seconds=10))


@pytest.mark.parametrize("failure", ["TimedOut", "SocketError", "ResolutionError"])
def test_no_answer_is_tried_again_after_10_s(failure: str) -> None:
    assert after(1, Outcome(failure=failure)) == Retry(NOW + timedelta(seconds=10))  # type: ignore[arg-type]


@pytest.mark.parametrize(("attempts", "wait_s"), list(enumerate(SCHEDULE_S, start=1)))
def test_waits_grow_by_the_schedule(attempts: int, wait_s: float) -> None:
    assert after(attempts, Outcome(500)) == Retry(NOW + timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    ("status", "attempts", "wait_s"), [(503, 1, 30), (503, 3, 60), (408, 1, 120), (408, 3, 120), (408, 4, 300)]
)
def test_busy_and_timed_out_wait_at_least(status: int, attempts: int, wait_s: float) -> None:
    assert after(attempts, Outcome(status)) == Retry(NOW + timedelta(seconds=wait_s))


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_what_a_webhook_will_never_take_is_given_up_at_once(status: int) -> None:
    assert after(1, Outcome(status)) == DeadLetter("UndeliverableDueToClientError")


def test_the_last_attempt_is_the_last() -> None:
    three = Subscription("a-name", "https://receiver.example/hook", max_delivery_attempts=3)
    assert isinstance(after(2, Outcome(500), three), Retry)
    assert after(3, Outcome(500), three) == DeadLetter("MaxDeliveryAttemptsExceeded")
    assert after(3, Outcome(200), three) == Done()


def test_the_time_to_live_is_looked_at_when_an_attempt_is_due() -> None:
    one_minute = Subscription("a-name", "https://receiver.example/hook", event_time_to_live_min=1)
    two_minutes = Subscription("a-name", "https://receiver.example/hook", event_time_to_live_min=2)
    assert isinstance(after(5, Outcome(500), one_minute), Retry)
    assert after(5, None, one_minute) == DeadLetter("TimeToLiveExceeded")
    assert after(5, None, two_minutes) == Deliver()


def test_a_due_event_is_delivered() -> None:
    assert after(0, None) == Deliver()
    assert after(29, None) == Deliver()
    assert after(30, None) == DeadLetter("MaxDeliveryAttemptsExceeded")


def test_jitter_only_adds_and_the_scale_shortens() -> None:
    assert after(1, Outcome(500), jitter=1.0) == Retry(NOW + timedelta(seconds=11))
    assert after(1, Outcome(500), backoff_scale=0.1) == Retry(NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        (Outcome(200), "Delivered"),
        (Outcome(400), "BadRequest"),
        (Outcome(401), "Unauthorized"),
        (Outcome(403), "Forbidden"),
        (Outcome(404), "NotFound"),
        (Outcome(413), "PayloadTooLarge"),
        (Outcome(429), "Busy"),
        (Outcome(500), "GenericError"),
        (Outcome(302), "GenericError"),
        (Outcome(failure="TimedOut"), "TimedOut"),
    ],
)
def test_outcomes_have_event_grids_names(outcome: Outcome, name: str) -> None:
    assert outcome.name == name
