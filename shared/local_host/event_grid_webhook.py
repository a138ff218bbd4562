"""POST /runtime/webhooks/eventgrid?functionName=NAME&code=KEY, where Event Grid delivers to Event Grid triggers
(azure-functions-eventgrid-extension, EventGridExtensionConfigProvider and HttpRequestProcessor)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from azure.functions.meta import Datum

from shared.adapters.local.secrets import LocalSecrets
from shared.errors import BadRequest, TooLarge
from shared.local_host.app_loader import FunctionDescription
from shared.local_host.invocation import Invoker
from shared.local_host.keys import opens_event_grid, presented_key
from shared.local_host.request_body import read_body

PATH = "/runtime/webhooks/eventgrid"
MAX_BATCH_BYTES = 4 * 1024 * 1024  # a batch of Event Grid is at most 1 MB; room for what the encoding adds


class EventGridWebhook:
    """The endpoint of all Event Grid triggers of an app."""

    def __init__(self, functions: Sequence[FunctionDescription], *, invoker: Invoker, secrets: LocalSecrets) -> None:
        self._functions = {f.name: f for f in functions if f.trigger_type == "eventGridTrigger"}
        self._invoker = invoker
        self._secrets = secrets

    async def handle(self, request: web.Request) -> web.Response:
        """Answers the handshakes (200) and runs the function once for each event: 202 when all succeeded, 500 when any
        failed. 401 for a wrong key, 404 for a name (with its case) that is no Event Grid function, else 400."""
        if not opens_event_grid(self._secrets, presented_key(request)):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self._functions.get(name)
        if function is None:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _cloud_events_handshake(request)
        try:
            return await self._process(request, function)
        except TooLarge as error:
            return web.Response(status=413, text=error.message)
        except BadRequest as error:
            return web.Response(status=400, text=error.message)

    async def _process(self, request: web.Request, function: FunctionDescription) -> web.Response:
        kind = request.headers.get("aeg-event-type", "").lower()
        if kind == "unsubscribe":
            return web.Response(status=202)
        if kind not in ("subscriptionvalidation", "notification"):
            raise BadRequest("aeg-event-type must be SubscriptionValidation, Notification or Unsubscribe")
        events = _events(await read_body(request, MAX_BATCH_BYTES))
        if kind == "subscriptionvalidation":
            return _validation(events)
        return await self._notify(function, events)

    async def _notify(self, function: FunctionDescription, events: list[dict[str, Any]]) -> web.Response:
        tasks = [self._invoker.start(function, Datum(json.dumps(event), "json")) for event in events]
        results = await asyncio.gather(*tasks)
        failed = [result for result in results if not result.succeeded]
        if failed:
            return web.Response(status=500, text=f"{len(failed)} of {len(results)} invocations failed")
        return web.Response(status=202)


def _events(body: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    events = document if isinstance(document, list) else [document]
    if not all(isinstance(event, dict) for event in events):
        raise BadRequest("the body must be an event or an array of events")
    return events


def _validation(events: list[dict[str, Any]]) -> web.Response:
    data = events[0].get("data") if events else None
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not isinstance(code, str):
        raise BadRequest("a SubscriptionValidation event has data.validationCode")
    return web.json_response({"validationResponse": code})


def _cloud_events_handshake(request: web.Request) -> web.Response:
    # CloudEvents, "HTTP 1.1 Web Hooks", section 4: the target says which origin may send, and how often.
    origin = request.headers.get("WebHook-Request-Origin", "")
    if not origin:
        return web.Response(status=400, text="WebHook-Request-Origin is missing")
    headers = {"WebHook-Allowed-Origin": origin, "Allow": "POST, OPTIONS"}
    if request.headers.get("WebHook-Request-Rate"):
        headers["WebHook-Allowed-Rate"] = "*"
    return web.Response(status=200, headers=headers)
