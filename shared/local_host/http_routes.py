"""HTTP triggers under /{routePrefix}/: routes, keys, the client's principal, converters, answers (Azure Functions,
"HTTP trigger")."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http.cookies import SimpleCookie

from aiohttp import web
from azure.functions.meta import Datum
from multidict import CIMultiDict

from shared.adapters.local.secrets import LocalSecrets
from shared.errors import BadRequest, Invalid, TooLarge
from shared.local_host.app_loader import FunctionDescription
from shared.local_host.invocation import InvocationResult, Invoker
from shared.local_host.keys import MASTER, host_key_name, presented_key
from shared.local_host.request_body import MAX_BODY_BYTES, read_body
from shared.local_host.route_templates import RouteTemplate, path_segments

logger = logging.getLogger("slipway.host")
ANSWER_LIMIT_S = 230.0  # Azure Load Balancer's idle limit; the function itself goes on
_EASY_AUTH_HEADERS = ("x-ms-client-principal", "x-ms-token-")  # only the platform may set these
_SET_BY_THE_SERVER = {"transfer-encoding", "connection", "keep-alive", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class _Route:
    template: RouteTemplate
    function: FunctionDescription


class HttpRoutes:
    """The HTTP functions of an app."""

    def __init__(
        self,
        functions: Sequence[FunctionDescription],
        *,
        prefix: str,
        invoker: Invoker,
        secrets: LocalSecrets,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """Raises Invalid for a template that is wrong, or two functions with the same route and method."""
        self._prefix = tuple(part for part in prefix.lower().split("/") if part)
        self._invoker = invoker
        self._secrets = secrets
        self._max_body_bytes = max_body_bytes
        http = [function for function in functions if function.trigger_type == "httpTrigger"]
        routes = [_Route(RouteTemplate(function.route), function) for function in http]
        _refuse_same(routes)
        self._routes = sorted(routes, key=lambda route: (route.template.precedence, route.template.template.lower()))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer of the function whose route and method match; 404 when there is none (also for a wrong method),
        401 for a wrong key, 413 for a body above the limit, 500 when the function fails, 504 after 230 s."""
        found = self._find(request)
        if found is None:
            return web.Response(status=404)
        function, route_parameters = found
        key_name = host_key_name(self._secrets, presented_key(request))
        if not _may_call(function, key_name):
            return web.Response(status=401)
        try:
            body = await read_body(request, self._max_body_bytes)
            data = _request_datum(request, route_parameters, key_name, body)
        except TooLarge as error:
            return web.Response(status=413, text=error.message)
        except BadRequest as error:
            return web.Response(status=400, text=error.message)
        return await self._answer(request, function, data)

    def _find(self, request: web.Request) -> tuple[FunctionDescription, dict[str, str]] | None:
        segments = path_segments(request.rel_url.raw_path)
        count = len(self._prefix)
        if tuple(segment.lower() for segment in segments[:count]) != self._prefix:
            return None
        for route in self._routes:
            if route.function.methods and request.method.upper() not in route.function.methods:
                continue
            values = route.template.match(segments[count:])
            if values is not None:
                return route.function, values
        return None

    async def _answer(self, request: web.Request, function: FunctionDescription, data: Datum) -> web.StreamResponse:
        task = self._invoker.start(function, data)
        done, _ = await asyncio.wait({task}, timeout=ANSWER_LIMIT_S)
        if not done:
            logger.warning("%s gave no answer in %g s; it goes on without its client", function.name, ANSWER_LIMIT_S)
            return web.Response(status=504)
        return _response(task.result(), function, is_head=request.method == "HEAD")


def _refuse_same(routes: Sequence[_Route]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for route in routes:
        for method in route.function.methods or ("any method",):
            key = (method, route.template.template.lower())
            if other := seen.get(key):
                raise Invalid(f"{other} and {route.function.name} have the same route {key[1]!r} for {method}")
            seen[key] = route.function.name


def _may_call(function: FunctionDescription, key_name: str | None) -> bool:
    if function.auth_level == "anonymous":
        return True
    if function.auth_level == "function":
        return key_name is not None
    return key_name == MASTER


def _request_datum(request: web.Request, route_parameters: dict[str, str], key_name: str | None, body: bytes) -> Datum:
    query: dict[str, str] = {}
    for name in dict.fromkeys(request.query):
        if joined := ",".join(request.query.getall(name)):
            query[name] = joined
    headers: dict[str, str] = {}
    for name in dict.fromkeys(key.lower() for key in request.headers):
        if not name.startswith(_EASY_AUTH_HEADERS):
            headers[name] = ",".join(request.headers.getall(name))
    if key_name is not None:
        headers["x-ms-client-principal-name"] = key_name
        headers["x-ms-client-principal-idp"] = "functionkey"
    value = {
        "method": Datum(request.method, "string"),
        "url": Datum(_url(request), "string"),
        "headers": _strings(headers),
        "query": _strings(query),
        "params": _strings(route_parameters),
        "body": Datum(body, "bytes"),
    }
    return Datum(value, "http")


def _url(request: web.Request) -> str:
    """The whole URL. Raises BadRequest when the Host header is none."""
    try:
        return str(request.url)
    except ValueError as error:
        raise BadRequest("the Host header is not valid", remedy="send host or host:port") from error


def _strings(values: dict[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _response(result: InvocationResult, function: FunctionDescription, *, is_head: bool) -> web.Response:
    output = result.output
    if not result.succeeded or output is None:
        return web.Response(status=503 if result.cancelled else 500)
    if output.type == "string":
        return web.Response(text=str(output.value))
    value = output.value
    headers: CIMultiDict[str] = CIMultiDict()
    for name, header in value["headers"].items():
        if name.lower() not in _SET_BY_THE_SERVER or (is_head and name.lower() == "content-length"):
            headers.add(name, header.value)
    for cookie in value["cookies"] or ():
        _add_cookie(headers, cookie)
    status = str(value["status_code"].value)
    try:
        return web.Response(status=int(status), headers=headers, body=value["body"].value)
    except ValueError:
        logger.exception("%s gave an answer that cannot be sent (status %s)", function.name, status)
        return web.Response(status=500)


def _add_cookie(headers: CIMultiDict[str], cookie: SimpleCookie) -> None:
    for morsel in cookie.values():
        headers.add("Set-Cookie", morsel.OutputString())
