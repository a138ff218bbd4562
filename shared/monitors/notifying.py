"""Tells people: each notification that is due at each of its notifiers, one attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from shared.errors import Invalid, Retryable, SlipwayError
from shared.monitors.deliveries import after_attempt
from shared.ports.clock import Clock
from shared.ports.notifying import Notifier
from shared.resources.notification import Delivery, DeliveryState, Notification, OwedNotification

log = logging.getLogger(__name__)

Opener = Callable[[str], Notifier]  # the notifier of this name; Invalid for one that is not there


async def tell(
    owed: Sequence[OwedNotification], open_notifier: Opener, since: datetime, clock: Clock
) -> list[OwedNotification]:
    """All of them, after one attempt of each delivery that is due. A receiver that fails keeps no other from being
    told. What is wrong with the settings can be put right: it is tried again, as a receiver that is not there is."""

    async def one(each: OwedNotification) -> OwedNotification:
        attempts = (_attempted(each.notification, way, open_notifier, since, clock) for way in each.deliveries)
        return each.model_copy(update={"deliveries": list(await asyncio.gather(*attempts))})

    return list(await asyncio.gather(*(one(each) for each in owed)))


async def _attempted(
    notification: Notification, before: Delivery, open_notifier: Opener, since: datetime, clock: Clock
) -> Delivery:
    if before.state != DeliveryState.PENDING or before.next_at > clock.now():
        return before
    problem, is_final = "", False
    try:
        await open_notifier(before.notifier).send(notification)
    except SlipwayError as error:
        problem, is_final = error.message, not isinstance(error, Retryable | Invalid)
        log.warning("%s was not told of %s: %s", before.notifier or "emails", notification.run_id, problem)
    return after_attempt(before, problem, is_final, since, clock.now())
