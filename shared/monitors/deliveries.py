"""Whom a notification has reached, and when it is tried again; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from shared.monitors.alert_settings import MAIL
from shared.resources.base import Condition, ConditionStatus
from shared.resources.notification import Delivery, DeliveryState, Notification, OwedNotification

CONDITION = "NotificationsSent"
FIRST_BACKOFF_S = 5.0
LAST_BACKOFF_S = 600.0
GIVE_UP_S = 86_400.0  # after a day nobody is helped by it


def owed(notifications: Iterable[Notification], notifiers: Collection[str], at: datetime) -> list[OwedNotification]:
    """Each notification, for each of the notifiers; [] where either is empty."""
    if not notifiers:
        return []
    return [
        OwedNotification(notification=one, deliveries=[Delivery(notifier=name, next_at=at) for name in notifiers])
        for one in notifications
    ]


def after_attempt(before: Delivery, problem: str, is_final: bool, since: datetime, at: datetime) -> Delivery:
    """What is so after one more attempt; `problem` is "" when it was taken. It is tried again after 5, 10, 20... s, at
    most 10 minutes, for a day."""
    attempts = before.attempts + 1
    changes: dict[str, object] = {"attempts": attempts, "problem": problem, "next_at": at}
    if not problem:
        return before.model_copy(update={**changes, "state": DeliveryState.SENT})
    if is_final:
        return before.model_copy(update={**changes, "state": DeliveryState.REFUSED})
    if (at - since).total_seconds() >= GIVE_UP_S:
        return before.model_copy(update={**changes, "state": DeliveryState.GIVEN_UP})
    pause_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempts - 1, 20))
    return before.model_copy(update={**changes, "next_at": at + timedelta(seconds=pause_s)})


def pending(notifications: Sequence[OwedNotification]) -> list[Delivery]:
    """Deliveries that are still tried; [] when all is over."""
    every = [delivery for one in notifications for delivery in one.deliveries]
    return [one for one in every if one.state == DeliveryState.PENDING]


def condition_of(notifications: Sequence[OwedNotification], at: datetime) -> Condition | None:
    """Whether everybody was told; None where there is nothing to tell."""
    every = [delivery for one in notifications for delivery in one.deliveries]
    if not every:
        return None
    lost = [one for one in every if one.state in (DeliveryState.REFUSED, DeliveryState.GIVEN_UP)]
    waiting = pending(notifications)
    status = ConditionStatus.FALSE if lost or waiting else ConditionStatus.TRUE
    reason = "Retrying" if waiting else lost[0].state.value if lost else "Sent"
    problems = {f"{_name(one)}: {one.problem}" for one in (*lost, *waiting) if one.problem}
    message = "; ".join(sorted(problems))
    return Condition(type=CONDITION, status=status, reason=reason, message=message, last_transition_time=at)


def _name(delivery: Delivery) -> str:
    return "emails" if delivery.notifier == MAIL else delivery.notifier
