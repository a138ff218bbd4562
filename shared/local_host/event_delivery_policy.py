"""When Event Grid delivers, retries and gives up: pure functions of what happened.

Source: Microsoft Learn, "Event Grid message delivery and retry" (version of 2023-03): success codes, the table of
failure codes for webhooks, the retry schedule, "retry policy", and the values of lastDeliveryOutcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.ports import Subscription

DELIVERY_TIMEOUT_S = 30.0
# 10 s, 30 s, 1, 5, 10, 30 min, 1, 3, 6 h, then every 12 h.
BACKOFF_S = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10_800.0, 21_600.0, 43_200.0)
MINIMUM_DELAY_S = {408: 120.0, 503: 30.0}
JITTER = 0.1  # "a small randomization to all retry steps": up to this part is added
SUCCESS = range(200, 205)
NOT_RETRIED = frozenset({400, 401, 403, 413})
OUTCOMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    429: "Busy",
    503: "Busy",
}
DeadLetterReason = Literal["MaxDeliveryAttemptsExceeded", "TimeToLiveExceeded", "UndeliverableDueToClientError"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: the status of the answer, or why there was none."""

    status: int | None = None
    failure: Literal["", "TimedOut", "SocketError", "ResolutionError"] = ""

    @property
    def name(self) -> str:
        """Event Grid's lastDeliveryOutcome; "Delivered" after a success."""
        if self.status in SUCCESS:
            return "Delivered"
        return self.failure or OUTCOMES.get(self.status or 0, "GenericError")


@dataclass(frozen=True, slots=True)
class Deliver:
    """Make an attempt now."""


@dataclass(frozen=True, slots=True)
class Done:
    """The endpoint has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Make the next attempt then, not earlier."""

    at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Never again: keep it where people find it."""

    reason: DeadLetterReason


def decide(
    attempts: int,
    outcome: Outcome | None,
    now: datetime,
    subscription: Subscription,
    published_at: datetime,
    *,
    jitter: float = 0.0,
    backoff_scale: float = 1.0,
) -> Deliver | Retry | DeadLetter | Done:
    """What to do after `attempts` attempts, the last of which ended in `outcome` (None: one is due now).

    Deliver and TimeToLiveExceeded come only when one is due: the service looks at the time to live at the next
    scheduled attempt, not before. `jitter` is from 0 to 1, `backoff_scale` shortens every wait (for tests)."""
    if outcome is None:
        return _before_attempt(attempts, now, subscription, published_at)
    if outcome.status in SUCCESS:
        return Done()
    if outcome.status in NOT_RETRIED:
        return DeadLetter("UndeliverableDueToClientError")
    if attempts >= subscription.max_delivery_attempts:
        return DeadLetter("MaxDeliveryAttemptsExceeded")
    wait_s = retry_delay_s(attempts, outcome) * (1 + JITTER * jitter) * backoff_scale
    return Retry(now + timedelta(seconds=wait_s))


def _before_attempt(
    attempts: int, now: datetime, subscription: Subscription, published_at: datetime
) -> Deliver | DeadLetter:
    if now >= published_at + timedelta(minutes=subscription.event_time_to_live_min):
        return DeadLetter("TimeToLiveExceeded")
    if attempts >= subscription.max_delivery_attempts:
        return DeadLetter("MaxDeliveryAttemptsExceeded")
    return Deliver()


def retry_delay_s(attempts: int, outcome: Outcome) -> float:
    """Seconds from the `attempts`-th attempt (1 is the first) to the next, before jitter."""
    scheduled = BACKOFF_S[min(attempts, len(BACKOFF_S)) - 1]
    return max(scheduled, MINIMUM_DELAY_S.get(outcome.status or 0, 0.0))
