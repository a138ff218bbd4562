"""One instance of the function app as a process: several of them run on one store, as Azure does when it scales out.

`python -m tests.scenarios.instance FOLDER NAME`: the settings are in the environment, as always. The Functions host's
part (HTTP, Event Grid triggers, queue and timers) is the local host's own. The queue is the one of the mode: a SQLite
file that all instances share, or a Storage Queue. FOLDER/NAME holds what is this instance's alone.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from aiohttp import web

from shared.adapters.local.clock import SystemClock
from shared.adapters.local.event_grid import open_event_grid
from shared.adapters.local.secrets import load_secrets
from shared.adapters.local.signing import UrlSigner
from shared.adapters.local.work_queue import open_work_queues
from shared.local_host import data_folder, listening
from shared.local_host.app_loader import find_app, index_app
from shared.local_host.blob_endpoint import add_blob_routes
from shared.local_host.host import QUEUE_FILE, FunctionsHost
from shared.local_host.host_settings import read_host_json
from shared.local_host.watching import WATCHED_SUBJECTS
from shared.ports import WorkQueue
from shared.resources.events import Event
from shared.settings import Settings, load_settings


async def run(folder: Path, name: str) -> None:
    """Serve until SIGTERM."""
    settings, own, clock = load_settings(), folder / name, SystemClock()
    own.mkdir(parents=True, exist_ok=True)
    module = importlib.import_module("function_app")
    host_json = read_host_json(Path(str(module.__file__)).parent / "host.json")
    is_local = settings.mode == "local"
    data_dir = settings.data_dir if is_local else own
    queues = open_work_queues(data_dir / QUEUE_FILE, clock) if is_local else storage_queues(settings)
    host = FunctionsHost(index_app(find_app(module)), host_json, load_secrets(folder), queues, data_dir, clock)
    app = web.Application(client_max_size=8 << 20)
    if is_local:
        serve_blobs(app, folder)
    host.add_routes(app)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with listening.bound_socket("127.0.0.1", 0) as sock:
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await runner.setup()
        await web.SockSite(runner, sock).start()
        await host.start()
        with data_folder.announced(own, listening.url_of(sock)):
            await stop.wait()
        await host.stop()
        await runner.cleanup()


def storage_queues(settings: Settings) -> Callable[[str], WorkQueue]:
    """The queues of the account, by the identity, as the host's own connection has them."""
    from shared.adapters.azure.credentials import default_credential
    from shared.adapters.azure.work_queue import open_work_queue

    credential = default_credential(settings.managed_identity_client_id)
    return cache(lambda name: open_work_queue(settings.queue_account_url, name, credential))


def serve_blobs(app: web.Application, data_dir: Path) -> None:
    """Signed URLs of the shared folder; what is written to watched containers is announced."""
    grid = open_event_grid(data_dir / "eventgrid.db")

    async def on_blob_created(event: Event) -> None:
        if event.subject.startswith(WATCHED_SUBJECTS):
            await grid.enqueue("storage", [event])

    signer = UrlSigner(load_secrets(data_dir).url_signing_key, SystemClock())
    add_blob_routes(app, data_dir=data_dir, signer=signer, on_blob_created=on_blob_created)


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(name)s %(message)s")
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
