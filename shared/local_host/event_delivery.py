"""Delivers what the local Event Grid owes: one worker for each subscription, so none waits for another's endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from shared.adapters.local.event_grid import LocalEventGrid, Topic
from shared.adapters.local.signal import Signal, signal_for
from shared.adapters.local.webhook_handshake import new_session
from shared.errors import SlipwayError
from shared.local_host.delivery_worker import DeliveryWorker, Target
from shared.local_host.event_delivery_policy import DELIVERY_TIMEOUT_S
from shared.ports import Clock, Subscription

log = logging.getLogger(__name__)

POLL_S = 0.5  # how late an event of another process may be seen
ERROR_PAUSE_S = 1.0
SYSTEM_CONCURRENCY = 16
WEBHOOK_CONCURRENCY = 4
SYSTEM_BATCH = 10


@dataclass(frozen=True, slots=True)
class SystemSubscription:
    """An Event Grid trigger of the function app: events of a topic, without handshake."""

    topic: Topic
    name: str  # of the function
    function_url: str  # http://127.0.0.1:PORT/runtime/webhooks/eventgrid?functionName=NAME&code=KEY; never logged
    event_types: tuple[str, ...] = ()  # only these; () is all


class EventDelivery:
    """The delivering half of the local Event Grid. `register` before anything is published, then `run`."""

    def __init__(
        self,
        grid: LocalEventGrid,
        clock: Clock,
        *,
        system: Sequence[SystemSubscription],
        dead_letter_dir: Path,
        backoff_scale: float = 1.0,
        timeout_s: float = DELIVERY_TIMEOUT_S,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._grid = grid
        self._clock = clock
        self._system = {each.name: each for each in system}
        self._dead_letter_dir = dead_letter_dir
        self._backoff_scale = backoff_scale
        self._timeout_s = timeout_s
        self._session = session
        self._workers: dict[str, tuple[DeliveryWorker, asyncio.Task[None]]] = {}

    async def register(self) -> None:
        """Make the system subscriptions known: from now on events are kept for them. `run` does it too."""
        system = self._system.values()
        await self._grid.subscriptions.set_system(
            {each.name: each.topic for each in system}, {each.name: each.event_types for each in system}
        )

    async def run(self) -> None:
        """Deliver until cancelled. What was under way then is delivered again at the next start (at least once)."""
        await self.register()
        session = self._session or new_session()
        try:
            async with asyncio.TaskGroup() as group:
                await self._supervise(group, session)
        finally:
            self._workers.clear()
            if self._session is None:
                await session.close()

    async def _supervise(self, group: asyncio.TaskGroup, session: aiohttp.ClientSession) -> None:
        changed = Wake(self._grid.subscriptions.changed)
        group.create_task(changed.relay())
        while True:
            try:
                targets = {target.name: target for target in await self._targets()}
            except SlipwayError as error:
                log.error("subscriptions cannot be read now: %s", error.message)
                await asyncio.sleep(ERROR_PAUSE_S)
                continue
            for name in self._workers.keys() - targets.keys():
                self._workers.pop(name)[1].cancel()
            for name, target in targets.items():
                self._assign(group, session, name, target)
            await changed.wait(None)

    async def _targets(self) -> list[Target]:
        targets = []
        for each in await self._grid.subscriptions.active():
            system = self._system.get(each.name)
            if each.subscription is not None:
                targets.append(Target(each.subscription, WEBHOOK_CONCURRENCY, 1, each.signing_secret))
            elif system is not None:
                plain = Subscription(system.name, system.function_url)
                targets.append(Target(plain, SYSTEM_CONCURRENCY, SYSTEM_BATCH, None))
        return targets

    def _assign(self, group: asyncio.TaskGroup, session: aiohttp.ClientSession, name: str, target: Target) -> None:
        if name in self._workers:
            self._workers[name][0].target = target
            return
        wake = Wake(signal_for(self._grid.path, name))
        worker = DeliveryWorker(
            self._grid, self._clock, session, target, self._dead_letter_dir, self._backoff_scale, self._timeout_s
        )
        self._workers[name] = (worker, group.create_task(_serve(worker, wake)))


async def _serve(worker: DeliveryWorker, wake: Wake) -> None:
    relay = asyncio.create_task(wake.relay())
    try:
        while True:
            try:
                await worker.serve(wake)
            except SlipwayError as error:
                log.error("delivery to %s pauses: %s", worker.target.name, error.message)
                await asyncio.sleep(ERROR_PAUSE_S)
    finally:
        relay.cancel()
        await worker.stop()


class Wake:
    """Remembers that a signal came, or a poll is due, until someone waits for it: none falls between two waits."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._event = asyncio.Event()

    async def relay(self) -> None:
        """Runs beside the one who waits."""
        while True:
            await self._signal.wait(POLL_S)
            self._event.set()

    def set(self) -> None:
        """Wake the one who waits, now or at its next wait."""
        self._event.set()

    async def wait(self, timeout_s: float | None) -> None:
        """Return when it was set since the last wait, or after timeout_s."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()
