"""Azure Resource Manager for the event subscriptions of one topic: as slow and as strict as the service.

Source: REST reference, Microsoft.EventGrid event subscriptions 2025-02-15, and "Track asynchronous Azure operations".
How an endpoint answers the handshake is in its host name: refuses.example, silent.example, anything else agrees.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from azure.core.credentials import AccessToken

from tests.doubles.webhook_receiver import serving

TOPIC_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/topics/slipway"
TOKEN = "a-token-of-the-double"
API_VERSION = "2025-02-15"
PAGE_SIZE = 2
POLLS_UNTIL_DONE = 2
PROPERTIES = {"destination", "filter", "eventDeliverySchema", "retryPolicy"}
FILTER_FIELDS = {
    "includedEventTypes",
    "subjectBeginsWith",
    "subjectEndsWith",
    "isSubjectCaseSensitive",
    "enableAdvancedFilteringOnArrays",
    "advancedFilters",
}


class TokenCredential:
    """A credential that gives the token the double knows."""

    def __init__(self, token: str = TOKEN) -> None:
        self._token = token
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken(self._token, int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> TokenCredential:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@dataclass
class ArmDouble:
    url: str = ""
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # id -> (name, verb, polls left)
    operation_host: str = ""  # where Azure-AsyncOperation points; "" is the double itself
    requests: list[str] = field(default_factory=list)

    def routes(self, app: web.Application) -> None:
        base = f"{TOPIC_ID}/eventSubscriptions"
        app.router.add_get(base, self._list)
        app.router.add_put(base + "/{name}", self._put)
        app.router.add_get(base + "/{name}", self._get)
        app.router.add_delete(base + "/{name}", self._delete)
        app.router.add_get("/operations/{id}", self._operation)

    @web.middleware
    async def checks(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if request.query.get("api-version") != API_VERSION:
            return _error(400, "InvalidApiVersionParameter", "The api-version is not supported.")
        response: web.StreamResponse = await handler(request)
        return response

    async def _put(self, request: web.Request) -> web.Response:
        name, properties = request.match_info["name"], (await request.json())["properties"]
        if set(properties) != PROPERTIES or set(properties["filter"]) != FILTER_FIELDS:
            return _error(400, "InvalidRequest", f"Unexpected properties {sorted(properties)}.")
        existed = name in self.subscriptions
        self.subscriptions[name] = {"endpointUrl": properties["destination"]["properties"]["endpointUrl"], **properties}
        self.subscriptions[name]["provisioningState"] = "Updating" if existed else "Creating"
        headers = {"Azure-AsyncOperation": self._begin(name, "put"), "Retry-After": "1"}
        return web.json_response(self._resource(name), status=200 if existed else 201, headers=headers)

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.subscriptions:
            return _error(404, "ResourceNotFound", "The event subscription was not found.")
        return web.json_response(self._resource(name))

    async def _list(self, request: web.Request) -> web.Response:
        start = int(request.query.get("$skiptoken", "0"))
        names = sorted(self.subscriptions, reverse=True)  # the service promises no order
        body: dict[str, Any] = {"value": [self._resource(name) for name in names[start : start + PAGE_SIZE]]}
        if start + PAGE_SIZE < len(names):
            query = f"api-version={API_VERSION}&$skiptoken={start + PAGE_SIZE}"
            body["nextLink"] = f"{self.url}{request.path}?{query}"
        return web.json_response(body)

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.subscriptions:
            return web.Response(status=204)
        return web.Response(status=202, headers={"Location": self._begin(name, "delete"), "Retry-After": "1"})

    async def _operation(self, request: web.Request) -> web.Response:
        name, verb, left = self.operations[request.match_info["id"]]
        self.operations[request.match_info["id"]] = (name, verb, left - 1)
        if left > 1:
            return web.json_response({"status": "InProgress"}, status=202, headers={"Retry-After": "1"})
        if verb == "delete":
            self.subscriptions.pop(name, None)
            return web.Response(status=200)
        return self._end_put(name)

    def _end_put(self, name: str) -> web.Response:
        properties = self.subscriptions[name]
        host = urlsplit(properties["endpointUrl"]).hostname
        if host == "refuses.example":
            del self.subscriptions[name]
            message = (
                f"Webhook validation handshake failed for {properties['endpointUrl']}. Http POST request retuned 404"
            )
            return web.json_response({"status": "Failed", "error": {"code": "URL validation", "message": message}})
        awaits = host == "silent.example"
        properties["provisioningState"] = "AwaitingManualAction" if awaits else "Succeeded"
        return web.json_response({"status": "InProgress" if awaits else "Succeeded"})

    def _begin(self, name: str, verb: str) -> str:
        operation = f"operation-{len(self.operations)}"
        self.operations[operation] = (name, verb, POLLS_UNTIL_DONE)
        return f"{self.operation_host or self.url}/operations/{operation}?api-version={API_VERSION}"

    def _resource(self, name: str) -> dict[str, Any]:
        kept = self.subscriptions[name]
        shown = {key: value for key, value in kept.items() if key != "endpointUrl"}
        base = {"endpointBaseUrl": kept["endpointUrl"].split("?")[0], "endpointUrl": None}
        shown["destination"] = {"endpointType": "WebHook", "properties": base}
        resource_id = f"{TOPIC_ID}/eventSubscriptions/{name}"
        return {"id": resource_id, "name": name, "type": "Microsoft.EventGrid/eventSubscriptions", "properties": shown}


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


@asynccontextmanager
async def arm_double() -> AsyncIterator[ArmDouble]:
    """The double on a free loopback port for as long as the context lasts."""
    double = ArmDouble()
    app = web.Application(middlewares=[double.checks])
    double.routes(app)
    async with serving(app) as double.url:
        yield double
