"""An app with every kind of trigger, for tests of `slipway up`; calls.jsonl of the data folder tells what ran."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import azure.functions as func

from shared.adapters.local.work_queue import open_work_queues

app = func.FunctionApp()
_data_dir = Path(os.environ.get("SLIPWAY_DATA_DIR", "."))
_queues = open_work_queues(_data_dir / "queue.db")


def _note(function: str, what: Any) -> None:
    with (_data_dir / "calls.jsonl").open("a") as file:
        file.write(json.dumps({"function": function, "what": what}) + "\n")


@app.event_grid_trigger(arg_name="event")
async def storage_event(event: str) -> None:
    """A blob was created: queue its name."""
    subject = json.loads(event)["subject"]
    _note("storage_event", subject)
    await _queues(os.environ["SLIPWAY_WORK_QUEUE"]).send(subject)


@app.event_grid_trigger(arg_name="event")
async def lifecycle_event(event: str) -> None:
    """One of Slipway's own events."""
    _note("lifecycle_event", json.loads(event)["id"])


@app.queue_trigger(arg_name="message", queue_name="%SLIPWAY_WORK_QUEUE%", connection="SLIPWAY_QUEUE")
async def reconcile(message: func.QueueMessage) -> None:
    """A queued name."""
    _note("reconcile", message.get_body().decode())


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def sweep(timer: func.TimerRequest) -> None:
    """Runs at the start."""
    _note("sweep", timer.past_due)


@app.route("hello/{name?}", methods=["GET"])
async def hello(req: func.HttpRequest) -> str:
    """Says who calls."""
    return f"hello {req.route_params.get('name', 'nobody')} from {req.headers['x-ms-client-principal-name']}"


@app.route("slow", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def slow(req: func.HttpRequest) -> str:
    """Ends when the test makes the file `go`, after a stop was asked for."""
    _note("slow", "began")
    while not (_data_dir / "go").exists():
        await asyncio.sleep(0.01)
    return "done"
