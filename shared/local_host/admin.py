"""/admin: run a function by hand, and ask the host how it is (Azure Functions, "Manually run a non HTTP-triggered
function"; the host's FunctionsController and HostController)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from azure.functions.meta import Datum

from shared.adapters.local.secrets import LocalSecrets
from shared.errors import BadRequest, TooLarge
from shared.local_host.app_loader import FunctionDescription
from shared.local_host.invocation import Invoker
from shared.local_host.keys import is_master, presented_key
from shared.local_host.queue_listener import queue_metadata
from shared.local_host.request_body import read_body
from shared.ports import ReceivedMessage

MAX_INPUT_BYTES = 1024 * 1024


class Admin:
    """The routes under /admin. All but ping need the master key."""

    def __init__(self, functions: Sequence[FunctionDescription], *, invoker: Invoker, secrets: LocalSecrets) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._invoker = invoker
        self._secrets = secrets
        self._started = time.monotonic()

    def add_routes(self, app: web.Application) -> None:
        """Mount them."""
        app.router.add_post("/admin/functions/{name}", self._run_function)
        app.router.add_get("/admin/host/status", self._status)
        app.router.add_route("*", "/admin/host/ping", self._ping)
        app.router.add_route("*", "/admin/{rest:.*}", self._not_there)

    async def _run_function(self, request: web.Request) -> web.Response:
        if not is_master(self._secrets, presented_key(request)):
            return web.Response(status=401)
        function = self._functions.get(request.match_info["name"].lower())
        if function is None:
            return web.Response(status=404)
        try:
            text = _input(await read_body(request, MAX_INPUT_BYTES))
            data, metadata = _trigger_data(function, text)
        except TooLarge as error:
            return web.Response(status=413, text=error.message)
        except BadRequest as error:
            return web.Response(status=400, text=error.message)
        self._invoker.start(function, data, metadata)
        return web.Response(status=202)

    async def _status(self, request: web.Request) -> web.Response:
        if not is_master(self._secrets, presented_key(request)):
            return web.Response(status=401)
        status = {
            "id": "slipway-local",
            "state": "Running",
            "version": "4",
            "versionDetails": "Slipway's local host",
            "processUptime": int((time.monotonic() - self._started) * 1000),  # milliseconds, as in the real one
        }
        return web.json_response(status)

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(status=200)

    async def _not_there(self, request: web.Request) -> web.Response:
        return web.Response(status=404 if is_master(self._secrets, presented_key(request)) else 401)


def _input(body: bytes) -> str:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    value = document.get("input", "") if isinstance(document, dict) else None
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    if not isinstance(value, str):
        raise BadRequest('the body must be {"input": "..."}')
    return value


def _trigger_data(function: FunctionDescription, text: str) -> tuple[Datum, dict[str, Datum]]:
    if function.trigger_type == "timerTrigger":
        info: dict[str, Any] = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        return Datum(json.dumps(info), "json"), {}
    if function.trigger_type == "queueTrigger":
        return Datum(text, "string"), queue_metadata(_message(text))
    if function.trigger_type == "eventGridTrigger":
        return Datum(_event(text), "json"), {}
    raise BadRequest(f"{function.name} has an HTTP trigger: call it at its own route")


def _message(text: str) -> ReceivedMessage:
    now = datetime.now(UTC)
    return ReceivedMessage("", text, 1, now, "", now, now + timedelta(days=7))


def _event(text: str) -> str:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the input of an Event Grid function is one event as JSON") from error
    if not isinstance(event, dict):
        raise BadRequest("the input of an Event Grid function is one event as JSON")
    return text
