"""A queue trigger: takes batches, runs the function for each message, and keeps Storage Queue triggers' rules for
failures and poison messages (azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage.Queues, QueueListener and
QueueProcessor)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from azure.functions.meta import Datum

from shared.adapters.local.signal import Signal
from shared.errors import Conflict, SlipwayError
from shared.local_host.app_loader import FunctionDescription
from shared.local_host.host_settings import QueueSettings
from shared.local_host.invocation import Invoker
from shared.ports import Clock, ReceivedMessage, WorkQueue

logger = logging.getLogger("slipway.host")
INVISIBILITY_S = 600.0  # renewed at half of it while the function runs
MIN_POLLING_INTERVAL_S = 0.1
# The real host backs off up to maxPollingInterval (a minute). A local read costs next to nothing, and a message that
# was delayed for two seconds should not wait for that minute.
MAX_LOCAL_POLLING_INTERVAL_S = 1.0


@dataclass(slots=True)
class _Held:
    message: ReceivedMessage  # with its newest receipt
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class QueueListener:
    """Feeds one function from one queue. `poison` is opened when it is needed."""

    def __init__(
        self,
        function: FunctionDescription,
        queue: WorkQueue,
        poison: Callable[[], WorkQueue],
        *,
        invoker: Invoker,
        settings: QueueSettings,
        signal: Signal,
        clock: Clock,
    ) -> None:
        self._function = function
        self._queue = queue
        self._poison = poison
        self._invoker = invoker
        self._settings = settings
        self._signal = signal
        self._clock = clock
        self._processing: set[asyncio.Task[None]] = set()
        self._one_done = asyncio.Event()
        self._max_interval_s = min(settings.max_polling_interval_s, MAX_LOCAL_POLLING_INTERVAL_S)

    async def run(self) -> None:
        """Until cancelled. Woken by the queue's signal, else polling with back-off; a queue that cannot be read is
        polled on."""
        interval_s = MIN_POLLING_INTERVAL_S
        while True:
            await self._wait_for_room()
            messages = await self._receive()
            for message in messages:
                self._start(message)
            if messages:
                interval_s = MIN_POLLING_INTERVAL_S
                continue
            await self._signal.wait(interval_s)
            interval_s = min(interval_s * 2, self._max_interval_s)

    async def finish(self) -> None:
        """Wait until every message that was taken is settled. Call it after `run` was cancelled; cancelled itself, it
        leaves the rest to come again."""
        try:
            while self._processing:
                await asyncio.wait(set(self._processing))
        finally:
            for task in self._processing:
                task.cancel()

    async def _wait_for_room(self) -> None:
        while len(self._processing) > self._settings.new_batch_threshold:
            self._one_done.clear()
            await self._one_done.wait()

    async def _receive(self) -> tuple[ReceivedMessage, ...]:
        try:
            return await self._queue.receive(
                max_messages=self._settings.batch_size, visibility_timeout_s=INVISIBILITY_S
            )
        except SlipwayError as error:
            logger.error("%s: its queue cannot be read now: %s", self._function.name, error.message)
            return ()

    def _start(self, message: ReceivedMessage) -> None:
        task = asyncio.create_task(self._process(message))
        self._processing.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._processing.discard(task)
        self._one_done.set()

    async def _process(self, message: ReceivedMessage) -> None:
        try:
            if message.dequeue_count > self._settings.max_dequeue_count:  # it may have crashed the host each time
                await self._to_poison(message)
            else:
                await self._invoke(message)
        except SlipwayError as error:
            logger.error(
                "%s: message %s could not be settled, so it will come again: %s",
                self._function.name,
                message.id,
                error.message,
            )

    async def _invoke(self, message: ReceivedMessage) -> None:
        held = _Held(message)
        renewal = asyncio.create_task(self._renew(held))
        result = await self._invoker.start(self._function, Datum(message.body, "string"), queue_metadata(message))
        async with held.lock:  # never in the middle of a renewal, whose new receipt would be lost
            renewal.cancel()
        if result.succeeded:
            await self._queue.delete(held.message)
        elif result.cancelled:
            await self._queue.update(held.message, visibility_timeout_s=0)
        elif message.dequeue_count >= self._settings.max_dequeue_count:
            await self._to_poison(held.message)
        else:
            await self._queue.update(held.message, visibility_timeout_s=self._settings.visibility_timeout_s)

    async def _renew(self, held: _Held) -> None:
        while True:
            await self._clock.sleep(INVISIBILITY_S / 2)
            try:
                async with held.lock:
                    held.message = await self._queue.update(held.message, visibility_timeout_s=INVISIBILITY_S)
            except Conflict:
                return
            except SlipwayError as error:
                logger.warning("%s: message %s was not renewed: %s", self._function.name, held.message.id, error)

    async def _to_poison(self, message: ReceivedMessage) -> None:
        await self._poison().send(message.body)
        await self._queue.delete(message)
        logger.warning(
            "%s failed %d times with message %s, which is now in the poison queue",
            self._function.name,
            min(message.dequeue_count, self._settings.max_dequeue_count),
            message.id,
        )


def queue_metadata(message: ReceivedMessage) -> dict[str, Datum]:
    """The trigger metadata: Id, DequeueCount, ExpirationTime, InsertionTime, NextVisibleTime, PopReceipt."""
    return {
        "Id": Datum(message.id, "string"),
        "PopReceipt": Datum(message.receipt, "string"),
        "DequeueCount": Datum(json.dumps(message.dequeue_count), "json"),
        "ExpirationTime": _time(message.expires_at),
        "InsertionTime": _time(message.inserted_at),
        "NextVisibleTime": _time(message.next_visible_at),
    }


def _time(time: datetime) -> Datum:
    return Datum(json.dumps(time.isoformat(timespec="microseconds")), "json")
