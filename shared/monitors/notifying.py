"""Tells everybody who is to be told: each once, again when a receiver cannot take it now."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.errors import Retryable, SlipwayError
from shared.ports.clock import Clock
from shared.ports.notifying import Notifier
from shared.resources.notification import Notification

log = logging.getLogger(__name__)

MAX_TRIES = 5
FIRST_BACKOFF_S = 0.5


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a notification at one notifier."""

    key: str  # NOTIFIER/ID of the notification
    problem: str = ""  # why it was not taken; "" when it was
    is_final: bool = True  # whether trying again is of no use


def delivery_key(name: str, notification: Notification) -> str:
    """What a delivery is remembered by."""
    return f"{name}/{notification.id}"


async def deliver(
    notification: Notification, notifiers: Mapping[str, Notifier], done: Collection[str], clock: Clock
) -> list[Delivery]:
    """What became of it, by notifier; those whose delivery is in `done` are told nothing again. A receiver that fails
    keeps no other from being told."""
    return [
        await _delivered(name, notifier, notification, clock)
        for name, notifier in sorted(notifiers.items())
        if delivery_key(name, notification) not in done
    ]


async def _delivered(name: str, notifier: Notifier, notification: Notification, clock: Clock) -> Delivery:
    key = delivery_key(name, notification)
    for attempt in range(1, MAX_TRIES + 1):
        try:
            await notifier.send(notification)
        except Retryable as error:
            log.warning("notifier %s: attempt %d of %d failed: %s", name, attempt, MAX_TRIES, error.message)
            if attempt == MAX_TRIES:
                return Delivery(key, error.message, is_final=False)
            await clock.sleep(FIRST_BACKOFF_S * 2 ** (attempt - 1))
        except SlipwayError as error:
            log.error("notifier %s refused: %s", name, error.message)
            return Delivery(key, error.message)
        else:
            return Delivery(key)
    raise AssertionError("there is at least one try")
