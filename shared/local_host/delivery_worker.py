"""Delivers to one subscription: a few requests at a time, first attempts together, retries one by one."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import aiohttp

from shared.adapters.local.event_grid import Delivery, LocalEventGrid
from shared.adapters.local.webhook_handshake import ORIGIN
from shared.errors import SlipwayError
from shared.events.webhook_signing import signature_headers
from shared.events.wire import CLOUD_EVENTS_CONTENT_TYPE, EVENT_GRID_CONTENT_TYPE, from_wire, to_cloud_event
from shared.local_host.dead_letters import write_dead_letter
from shared.local_host.event_delivery_policy import DeadLetter, Deliver, Done, Outcome, Retry, decide
from shared.ports import Clock, Subscription

log = logging.getLogger(__name__)

DEAD_LETTER_RETRY_S = 60.0
ERROR_PAUSE_S = 1.0
MAX_BATCH_BYTES = 256 * 1024  # a larger event goes alone


@dataclass(frozen=True, slots=True)
class Target:
    """Where the events of one subscription go."""

    subscription: Subscription
    concurrency: int  # requests at a time
    batch: int  # events in a request, at most; retries go alone, so that one bad event takes no others along
    signing_secret: str | None

    @property
    def name(self) -> str:
        """The subscription's."""
        return self.subscription.name

    @property
    def is_cloud_events(self) -> bool:
        """Whether events go in the CloudEvents form."""
        return self.subscription.event_delivery_schema == "CloudEventSchemaV1_0"


class Waker(Protocol):
    """What the worker waits with between two looks at the database."""

    def set(self) -> None: ...

    async def wait(self, timeout_s: float | None) -> None: ...


class DeliveryWorker:
    """Serves one subscription. `target` may be replaced while it runs."""

    def __init__(
        self,
        grid: LocalEventGrid,
        clock: Clock,
        session: aiohttp.ClientSession,
        target: Target,
        dead_letter_dir: Path,
        backoff_scale: float,
        timeout_s: float,
    ) -> None:
        self.target = target
        self._grid = grid
        self._clock = clock
        self._session = session
        self._dead_letter_dir = dead_letter_dir
        self._backoff_scale = backoff_scale
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._under_way: set[int] = set()
        self._tasks: dict[asyncio.Task[None], Sequence[Delivery]] = {}

    async def serve(self, wake: Waker) -> None:
        """Deliver what is due, as it becomes due, until cancelled. Raises the errors of the database."""
        while True:
            free = self.target.concurrency - len(self._tasks)
            timeout_s: float | None = None
            if free > 0:
                limit = free * self.target.batch
                due, next_at = await self._grid.due(self.target.name, limit=limit, excluding=self._under_way)
                for batch in _batches(due, self.target.batch)[:free]:
                    self._start(batch, wake)
                if next_at is not None:
                    timeout_s = max(0.0, (next_at - self._clock.now()).total_seconds())
            await wake.wait(timeout_s)

    async def stop(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, batch: Sequence[Delivery], wake: Waker) -> None:
        self._under_way.update(each.sequence for each in batch)
        task = asyncio.create_task(self._settle(batch))
        self._tasks[task] = batch

        def ended(task: asyncio.Task[None]) -> None:
            self._under_way.difference_update(each.sequence for each in self._tasks.pop(task))
            wake.set()

        task.add_done_callback(ended)

    async def _settle(self, batch: Sequence[Delivery]) -> None:
        try:
            await self._attempt(batch, self.target)
        except SlipwayError as error:
            log.error("a delivery to %s is repeated: %s", self.target.name, error.message)
            await asyncio.sleep(ERROR_PAUSE_S)
        except Exception:  # one event that cannot be handled must not stop the others; it stays and is tried again
            log.exception("a delivery to %s failed here, not there; it is repeated", self.target.name)
            await asyncio.sleep(ERROR_PAUSE_S)

    async def _attempt(self, batch: Sequence[Delivery], target: Target) -> None:
        ready: list[Delivery] = []
        for each in batch:
            now = self._clock.now()
            decision = decide(each.attempts, None, now, target.subscription, each.published_at)
            if each.dead_letter_reason:
                await self._bury(each, target)
            elif isinstance(decision, DeadLetter):
                await self._bury(replace(each, dead_letter_reason=decision.reason), target)
            else:
                assert isinstance(decision, Deliver)
                ready.append(each)
        if ready:
            outcome = await self._post(ready, target)
            await self._record(ready, outcome, target)

    async def _record(self, batch: Sequence[Delivery], outcome: Outcome, target: Target) -> None:
        now = self._clock.now()
        done: list[Delivery] = []
        for each in batch:
            tried = replace(each, attempts=each.attempts + 1, last_attempt_at=now, last_outcome=outcome.name)
            decision = decide(
                tried.attempts,
                outcome,
                now,
                target.subscription,
                each.published_at,
                jitter=random.random(),  # noqa: S311 - no secret
                backoff_scale=self._backoff_scale,
            )
            if isinstance(decision, Done):
                done.append(tried)
            elif isinstance(decision, Retry):
                log.info("event %s to %s: %s, again at %s", each.event_id, target.name, outcome.name, decision.at)
                await self._grid.reschedule(tried, decision.at)
            elif isinstance(decision, DeadLetter):
                await self._bury(replace(tried, dead_letter_reason=decision.reason), target)
        if done:
            await self._grid.finish(done)

    async def _bury(self, delivery: Delivery, target: Target) -> None:
        """Write its dead-letter file, then forget it; when the disk refuses, keep it and try the file again later."""
        try:
            path = await write_dead_letter(
                self._dead_letter_dir, target.name, delivery, cloud_events=target.is_cloud_events
            )
        except OSError as error:
            log.error("the dead-letter file of event %s cannot be written: %s", delivery.event_id, error)
            again = self._clock.now() + timedelta(seconds=DEAD_LETTER_RETRY_S * self._backoff_scale)
            await self._grid.reschedule(delivery, again)
            return
        log.warning("event %s to %s given up (%s): %s", delivery.event_id, target.name, delivery.last_outcome, path)
        await self._grid.finish([delivery])

    async def _post(self, batch: Sequence[Delivery], target: Target) -> Outcome:
        headers, body = request(batch, target)
        if target.signing_secret is not None:
            headers |= signature_headers(target.signing_secret, batch[0].event_id, self._clock.now(), body)
        url = target.subscription.endpoint_url
        try:
            async with self._session.post(
                url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                return Outcome(response.status)
        except TimeoutError:
            return Outcome(failure="TimedOut")
        except aiohttp.ClientConnectorDNSError:
            return Outcome(failure="ResolutionError")
        except (aiohttp.ClientError, OSError):
            return Outcome(failure="SocketError")


def request(batch: Sequence[Delivery], target: Target) -> tuple[dict[str, str], bytes]:
    """Headers and body of a delivery: an array in the Event Grid schema, one structured CloudEvent otherwise.

    Sources: Microsoft Learn, "Event Grid message delivery" (message headers); CloudEvents webhook spec, section 4.1
    (Origin)."""
    first = batch[0]
    cloud = target.is_cloud_events
    headers = {
        "Content-Type": CLOUD_EVENTS_CONTENT_TYPE if cloud else EVENT_GRID_CONTENT_TYPE,
        "aeg-subscription-name": target.name,
        "aeg-delivery-count": str(first.attempts),  # the service counts attempts made before this one
        "aeg-event-type": "Notification",
        "aeg-metadata-version": "1.0" if cloud else "1",
    }
    if cloud:
        event = to_cloud_event(from_wire(json.loads(first.document)))
        return headers | {"Origin": ORIGIN}, json.dumps(event, ensure_ascii=False).encode()
    version = first.data_version
    headers["aeg-data-version"] = version if version.isascii() and version.isprintable() else ""
    return headers, ("[" + ",".join(each.document for each in batch) + "]").encode()


def _batches(due: Sequence[Delivery], size: int) -> list[Sequence[Delivery]]:
    """First attempts in batches of at most `size` events and MAX_BATCH_BYTES, everything else alone."""
    batches: list[list[Delivery]] = []
    room, room_bytes = 0, 0
    for each in due:
        alone = each.attempts > 0 or bool(each.dead_letter_reason)
        if alone or room < 1 or room_bytes < len(each.document):
            batches.append([])
            room, room_bytes = (0 if alone else size), MAX_BATCH_BYTES
        batches[-1].append(each)
        room, room_bytes = room - 1, room_bytes - len(each.document)
    return list(batches)
