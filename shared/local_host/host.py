"""The Functions host's part on one machine: it serves HTTP and Event Grid triggers, and runs the listeners of queue and
timer triggers."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from shared.adapters.local.secrets import LocalSecrets
from shared.adapters.local.signal import signal_for
from shared.local_host.admin import Admin
from shared.local_host.app_loader import FunctionDescription
from shared.local_host.bindings_settings import resolve_settings
from shared.local_host.event_grid_webhook import PATH as EVENT_GRID_PATH
from shared.local_host.event_grid_webhook import EventGridWebhook
from shared.local_host.host_settings import parse_host_json
from shared.local_host.http_routes import HttpRoutes
from shared.local_host.invocation import Invoker
from shared.local_host.ncrontab import Schedule
from shared.local_host.queue_listener import QueueListener
from shared.local_host.request_body import BODY_LIMIT_SETTING, body_limit_bytes
from shared.local_host.timer_listener import TimerListener, TimerStatuses
from shared.ports import Clock, WorkQueue

logger = logging.getLogger("slipway.host")
QUEUE_FILE = "queue.db"  # the listeners are woken by the signal of this file
TIMER_FILE = "timers.json"
POISON_SUFFIX = "-poison"
DRAIN_TIMEOUT_S = 10.0
SETTLE_TIMEOUT_S = 5.0


class FunctionsHost:
    """Runs the functions of one app. Nothing runs before `start`; after `stop` it cannot be started again."""

    def __init__(
        self,
        functions: Sequence[FunctionDescription],
        host_json: Mapping[str, Any],
        secrets: LocalSecrets,
        queues: Callable[[str], WorkQueue],
        data_dir: Path,
        clock: Clock,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Raises Invalid for a wrong host.json, route, schedule, queue name or body limit, or a %SETTING% that is not
        set in `environ` (default: the process's)."""
        self._functions = tuple(functions)
        self._settings = parse_host_json(dict(host_json))
        self._queues = queues
        self._data_dir = data_dir
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._invoker = Invoker(self._settings.function_timeout_s)
        self._http = HttpRoutes(
            self._functions,
            prefix=self._settings.route_prefix,
            invoker=self._invoker,
            secrets=secrets,
            max_body_bytes=body_limit_bytes(self._environ.get(BODY_LIMIT_SETTING)),
        )
        self._event_grid = EventGridWebhook(self._functions, invoker=self._invoker, secrets=secrets)
        self._admin = Admin(self._functions, invoker=self._invoker, secrets=secrets)
        self._queue_listeners = [self._queue_listener(f) for f in self._of("queueTrigger")]
        self._timer_schedules = [(f, Schedule(self._setting(f, "schedule"))) for f in self._of("timerTrigger")]
        self._listeners: list[QueueListener | TimerListener] = []
        self._tasks: list[asyncio.Task[None]] = []

    def add_routes(self, app: web.Application) -> None:
        """Mount everything the host answers. Other routes of the app that are more specific win."""
        self._admin.add_routes(app)
        app.router.add_post(EVENT_GRID_PATH, self._event_grid.handle)
        app.router.add_options(EVENT_GRID_PATH, self._event_grid.handle)
        app.router.add_route("*", "/{path:(?s:.*)}", self._http.handle)  # a path may hold a line break

    async def start(self) -> None:
        """Start the listeners of queues and timers."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        statuses = TimerStatuses(self._data_dir / TIMER_FILE)
        timers = [
            TimerListener(function, schedule, invoker=self._invoker, statuses=statuses, clock=self._clock)
            for function, schedule in self._timer_schedules
        ]
        self._listeners = [*self._queue_listeners, *timers]
        self._tasks = [asyncio.create_task(self._keep(listener)) for listener in self._listeners]

    async def stop(self) -> None:
        """Take nothing new, let what runs end for up to 10 s, and settle its messages."""
        await self.stop_listeners()
        await self._invoker.drain(DRAIN_TIMEOUT_S)
        settling = {asyncio.create_task(listener.finish()) for listener in self._listeners}
        if settling:
            _, left = await asyncio.wait(settling, timeout=SETTLE_TIMEOUT_S)
            for task in left:
                task.cancel()

    async def stop_listeners(self) -> None:
        """Take no more messages and start no more timers; what runs goes on."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []

    async def _keep(self, listener: QueueListener | TimerListener) -> None:
        while True:  # the host restarts a listener that fails; a function's own errors never come here
            try:
                await listener.run()
            except Exception:
                logger.exception("a listener failed and is started again")
                await self._clock.sleep(1)

    def _of(self, trigger_type: str) -> list[FunctionDescription]:
        return [function for function in self._functions if function.trigger_type == trigger_type]

    def _setting(self, function: FunctionDescription, name: str) -> str:
        text = str(function.settings.get(name) or "")
        return resolve_settings(text, self._environ, where=f"function {function.name}, {name}")

    def _queue_listener(self, function: FunctionDescription) -> QueueListener:
        name = self._setting(function, "queueName")
        return QueueListener(
            function,
            self._queues(name),
            lambda: self._queues(name + POISON_SUFFIX),
            invoker=self._invoker,
            settings=self._settings.queues,
            signal=signal_for(self._data_dir / QUEUE_FILE, name),
            clock=self._clock,
        )
