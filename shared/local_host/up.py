"""`slipway up`: the whole control plane in one process, on one data folder."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from shared.adapters.local.clock import SystemClock
from shared.adapters.local.endpoint_processes import stop_all
from shared.adapters.local.event_grid import LocalEventGrid, Topic, open_event_grid
from shared.adapters.local.secrets import LocalSecrets, load_secrets
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.work_queue import open_work_queues
from shared.errors import Invalid, Permanent, SlipwayError
from shared.events.types import BLOB_CREATED, IMAGE_PUSHED
from shared.local_host import data_folder, listening
from shared.local_host.app_loader import FunctionDescription, find_app, index_app
from shared.local_host.blob_endpoint import add_blob_routes
from shared.local_host.event_delivery import EventDelivery, SystemSubscription
from shared.local_host.event_grid_webhook import PATH as EVENT_GRID_PATH
from shared.local_host.host import QUEUE_FILE, FunctionsHost
from shared.local_host.host_settings import parse_host_json, read_host_json
from shared.local_host.request_body import BODY_LIMIT_SETTING, MAX_BODY_BYTES
from shared.local_host.topic_endpoint import add_topic_routes
from shared.local_host.watching import WATCHED_SUBJECTS, watchers
from shared.reactions import REACTIONS
from shared.resources.events import Event

logger = logging.getLogger("slipway.host")
ENDPOINTS = "endpoints"  # the data folder's, whose processes end with the host
BACKOFF_SCALE_VARIABLE = "SLIPWAY_EVENTGRID_BACKOFF_SCALE"
# What the event subscriptions of infra/ do on Azure: which topic's events go to which function.
TOPICS: dict[str, Topic] = {
    "storage_event": "storage",
    "lifecycle_event": "slipway",
    "container_registry_event": "slipway",  # as this machine has no registry, who wants such events publishes them
}
# And of which types: an event that nothing reacts to wakes no function.
EVENT_TYPES: dict[str, tuple[str, ...]] = {
    "storage_event": (BLOB_CREATED,),
    "lifecycle_event": tuple(REACTIONS),
    "container_registry_event": (IMAGE_PUSHED,),
}
# In the cloud these come from the app settings.
DEFAULT_APP_SETTINGS = {
    "SLIPWAY_WORK_QUEUE": "reconcile",
    BODY_LIMIT_SETTING: str(
        4 << 20
    ),  # Slipway takes bodies of 2 MiB; the host's 100 MB would let a few fill the memory
}


async def run(
    data_dir: Path,
    host: str = listening.DEFAULT_HOST,
    port: int = listening.DEFAULT_PORT,
    *,
    module_name: str = "function_app",
    say: Callable[[str], None] | None = None,
) -> int:
    """Run until SIGINT or SIGTERM; 0 after a clean stop. When it cannot start (the folder or the port is in use, the
    app does not load) it says why on standard error and the result is 1. Port 0 takes a free one."""
    data_dir = data_dir.absolute()
    stop = asyncio.Event()
    try:
        with (
            data_folder.held(data_dir),
            data_folder.scratch(data_dir),
            listening.bound_socket(host, port) as sock,
            _stop_signals(stop),
        ):
            await _run(data_dir, sock, module_name, say or _say, stop)
    except SlipwayError as error:
        sys.stderr.write(f"slipway up: {error}\n")
        return 1
    return 0


async def _run(
    data_dir: Path, sock: socket.socket, module_name: str, say: Callable[[str], None], stop: asyncio.Event
) -> None:
    _give_settings(data_dir)
    functions, host_json = _load(module_name)
    url, secrets, clock = listening.url_of(sock), load_secrets(data_dir), SystemClock()
    async with AsyncExitStack() as parts:
        parts.push_async_callback(stop_all, data_dir / ENDPOINTS)
        queues = open_work_queues(data_dir / QUEUE_FILE, clock)
        parts.push_async_callback(queues.close)
        grid = open_event_grid(data_dir / "eventgrid.db", clock)
        parts.push_async_callback(grid.close)
        if released := await queues.release_all():
            logger.info("%d messages that the last run left unfinished are taken up again", released)
        functions_host = FunctionsHost(functions, host_json, secrets, queues, data_dir, clock)
        delivery = EventDelivery(
            grid,
            clock,
            system=_system_subscriptions(functions, url, secrets),
            dead_letter_dir=data_dir / "dead-letter",
            backoff_scale=_backoff_scale(os.environ),
        )
        await delivery.register()
        await grid.subscriptions.announce(url)

        async def on_blob_created(event: Event) -> None:
            if event.subject.startswith(WATCHED_SUBJECTS):
                await grid.enqueue("storage", [event])

        watched = watchers(data_dir, on_blob_created, os.environ)
        app = _web_app(functions_host, data_dir, grid, secrets, on_blob_created)
        runner = await _serve(app, sock, parts)
        await functions_host.start()
        parts.push_async_callback(functions_host.stop)
        parts.push_async_callback(_stop_accepting, runner)
        parts.enter_context(data_folder.announced(data_dir, url))
        say(_greeting(url, data_dir, parse_host_json(host_json).route_prefix))
        await _until_stopped(stop, delivery.run(), *(watcher.run() for watcher in watched))
        say("Stopping: what runs may end within 10 seconds.")


def _give_settings(data_dir: Path) -> None:
    """The function app reads its settings from the environment, on Azure as here."""
    # SLIPWAY_EASY_AUTH: this host strips the client principal's headers and sets them, as Easy Auth does.
    own = {"SLIPWAY_MODE": "local", "SLIPWAY_DATA_DIR": str(data_dir), "SLIPWAY_EASY_AUTH": "true"}
    os.environ.update(own)
    for name, value in DEFAULT_APP_SETTINGS.items():
        os.environ.setdefault(name, value)


def _load(module_name: str) -> tuple[tuple[FunctionDescription, ...], dict[str, Any]]:
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise Permanent(f"the function app {module_name} cannot be imported: {error}") from error
    return index_app(find_app(module)), read_host_json(Path(str(module.__file__)).parent / "host.json")


def _web_app(
    functions_host: FunctionsHost,
    data_dir: Path,
    grid: LocalEventGrid,
    secrets: LocalSecrets,
    on_blob_created: Callable[[Event], Awaitable[None]],
) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    signer = UrlSigner(secrets.url_signing_key, SystemClock())
    add_blob_routes(app, data_dir=data_dir, signer=signer, on_blob_created=on_blob_created)
    add_topic_routes(app, grid, secrets.topic_key)
    functions_host.add_routes(app)  # last: it ends with a route that takes every path
    return app


def _system_subscriptions(
    functions: tuple[FunctionDescription, ...], url: str, secrets: LocalSecrets
) -> tuple[SystemSubscription, ...]:
    names = [function.name for function in functions if function.trigger_type == "eventGridTrigger"]
    if unknown := sorted(set(names) - set(TOPICS)):
        raise Invalid(f"no topic is known for the Event Grid functions {unknown}; known: {', '.join(sorted(TOPICS))}")
    return tuple(
        SystemSubscription(
            TOPICS[name],
            name,
            f"{url}{EVENT_GRID_PATH}?{urlencode({'functionName': name, 'code': secrets.eventgrid_key})}",
            EVENT_TYPES[name],
        )
        for name in names
    )


async def _serve(app: web.Application, sock: socket.socket, parts: AsyncExitStack) -> web.AppRunner:
    # No access log: its lines would hold the keys of ?code=. No decompression: the real host hands bodies on as they
    # are, and a small request must not become a big one.
    http_log = logging.getLogger("slipway.http")
    http_log.addFilter(_is_not_the_clients_fault)
    runner = web.AppRunner(
        app, access_log=None, logger=http_log, handle_signals=False, shutdown_timeout=5, auto_decompress=False
    )
    await runner.setup()
    parts.push_async_callback(runner.cleanup)
    try:
        await web.SockSite(runner, sock, backlog=1024).start()
    except OSError as error:
        raise Permanent(f"cannot listen: {error.strerror}") from error
    return runner


def _is_not_the_clients_fault(record: logging.LogRecord) -> bool:
    # Malformed HTTP is answered with 400; what is logged of it would hold the keys in it.
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


async def _stop_accepting(runner: web.AppRunner) -> None:
    for site in list(runner.sites):
        await site.stop()


async def _until_stopped(stop: asyncio.Event, *work: Any) -> None:
    stopping = asyncio.create_task(stop.wait())
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            await task  # one that ends has failed
            raise Permanent("a part of the local host ended by itself")
    finally:
        for task in (stopping, *tasks):
            task.cancel()
        await asyncio.wait({stopping, *tasks})


@contextlib.contextmanager
def _stop_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def on_signal() -> None:
        stop.set()
        for number in numbers:  # a second Ctrl-C ends the process at once
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _backoff_scale(environ: Mapping[str, str]) -> float:
    text = environ.get(BACKOFF_SCALE_VARIABLE) or "1"
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1:
        raise Invalid(f"{BACKOFF_SCALE_VARIABLE} is {text!r}: a number above 0 and up to 1 is allowed")
    return scale


def _greeting(url: str, data_dir: Path, route_prefix: str) -> str:
    return "\n".join(
        (
            f"Slipway is running at {url}",
            f"  REST API      {url}/{route_prefix}",
            f"  Upload files  {data_dir / 'uploads'}",
            f"  Config files  {data_dir / 'config'}",
            f"  Data          {data_dir}",
            f"  Keys          {data_dir / 'secrets.json'}",
            "Press Ctrl-C to stop.",
        )
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
