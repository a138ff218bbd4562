"""An IoT hub on loopback over TLS, as far as Slipway asks one: configurations with ETags, their metrics, devices."""

from __future__ import annotations

import base64
import hmac
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.doubles.hub_queries import condition
from tests.doubles.iot_hub_devices import Device, Stored, act, count, metric, tell
from tests.doubles.tls import tls_files
from tests.doubles.webhook_receiver import bound_socket

API_VERSION = "2021-04-12"
POLICY, KEY = "service", base64.b64encode(b"the key of the policy").decode()
_ID = re.compile(r"[a-z0-9:+%_#*?!(),=@;$'-]{1,128}")
_MUTABLE = ("labels", "targetCondition", "priority", "metrics")


async def nothing(_request: web.Request) -> None:
    """No fault."""


@dataclass
class HubDouble:
    host: str = ""  # HOST:PORT
    authority: str = ""  # path of PEM
    stored: dict[str, Stored] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)  # of Entra ID, that are good
    keys: dict[str, str] = field(default_factory=lambda: {POLICY: KEY})
    requests: list[tuple[str, str]] = field(default_factory=list)  # method, path
    before: Callable[[web.Request], Awaitable[web.Response | None]] = nothing  # answers in its place, or None
    after: Callable[[web.Request], Awaitable[None]] = nothing  # between what is done and its answer
    counts_covered: bool = False  # whether one that another covers everywhere still counts as applied
    is_counting: bool = True  # at each list, as hubs do every five minutes
    writes_count: int = 0

    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.requests if each[0] != "GET"]

    def runs(self) -> dict[str, str]:
        """Which deployment runs on each device."""
        return {one.id: one.deployment() for one in self.devices}

    def step(self) -> None:
        """Devices are told, and act."""
        for device in self.devices:
            tell(device, self.stored, counts_covered=self.counts_covered)
            act(device)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if not self._is_known(request.headers.get("Authorization", "")):
            return fault(401, "IotHubUnauthorizedAccess", "Unauthorized")
        if (answer := await self.before(request)) is not None:
            return answer
        response = await self._answer(request)
        self.step()
        await self.after(request)
        return response

    def _is_known(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        if scheme == "Bearer":
            return token in self.tokens
        parts = {name: values[0] for name, values in parse_qs(token).items()}
        key, resource = self.keys.get(parts.get("skn", "")), parts.get("sr", "")
        if scheme != "SharedAccessSignature" or key is None or int(parts.get("se", 0)) < time.time():
            return False
        signed = hmac.digest(base64.b64decode(key), f"{resource}\n{parts['se']}".encode(), "sha256")
        return resource == self.host.partition(":")[0] and parts.get("sig") == base64.b64encode(signed).decode()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.removeprefix("/configurations").removeprefix("/")
        if request.query.get("api-version") != API_VERSION:
            return fault(400, "InvalidProtocolVersion", "the api-version is not known")
        match (request.method, name):
            case ("GET", ""):
                if self.is_counting:
                    self.step()
                    count(self.stored, self.devices)
                top = int(request.query.get("top", 20))
                return web.json_response([_shown(one) for _, one in sorted(self.stored.items())][:top])
            case ("GET", _) if name in self.stored:
                return web.json_response(_shown(self.stored[name]))
            case ("GET" | "DELETE", _) if name not in self.stored:
                return fault(404, "ConfigurationNotFound", name)
            case ("DELETE", _):
                return self._refused(request, name) or self._deleted(name)
            case ("PUT", _):
                return await self._put(request, name)
        return fault(405, "InvalidOperation", request.method)

    def _deleted(self, name: str) -> web.Response:
        del self.stored[name]
        return web.Response(status=204)

    def _refused(self, request: web.Request, name: str) -> web.Response | None:
        """By If-Match, whose value is a quoted ETag or a star (RFC 9110, section 13.1.1)."""
        asked = request.headers.get("If-Match", "*")
        if asked != "*" and not re.fullmatch(r'"[^"]*"', asked):
            return fault(400, "InvalidETag", "the ETag is not quoted")
        if asked not in ("*", f'"{_etag(self.stored[name])}"'):
            return fault(412, "PreconditionFailed", "the ETag is another one")
        return None

    async def _put(self, request: web.Request, name: str) -> web.Response:
        document: dict[str, Any] = await request.json()
        there = self.stored.get(name)
        if wrong := _wrong(name, document):
            return fault(400, "ArgumentInvalid", wrong)
        if "If-Match" not in request.headers and there is not None:
            return fault(409, "ConfigurationAlreadyExists", f"Configuration with id '{name}' already exist on IotHub.")
        if "If-Match" in request.headers and there is None:
            return fault(404, "ConfigurationNotFound", name)
        if there is not None and (refused := self._refused(request, name)):
            return refused
        if there is not None and there.document["content"] != document["content"]:
            return fault(400, "ArgumentInvalid", "the content cannot be changed")
        self.writes_count += 1
        now = datetime.now(UTC)
        if there is None:
            there = self.stored[name] = Stored(document, now, now, self.writes_count)
        else:
            there.document |= {key: document[key] for key in _MUTABLE}
            there.updated_at, there.version = now, self.writes_count
        return web.json_response(_shown(there))


def _wrong(name: str, document: dict[str, Any]) -> str:
    """Why it is no configuration; "" when it is one."""
    if not _ID.fullmatch(name) or document.get("id") != name:
        return "the id is not as it may be"
    try:
        if document["targetCondition"]:
            condition(document["targetCondition"])
        for text in document["metrics"]["queries"].values():
            metric(text)
    except (KeyError, ValueError) as error:
        return f"the query is wrong: {error}"
    return "" if 0 <= document["priority"] < 2**31 else "the priority is out of range"


def _etag(one: Stored) -> str:
    return base64.b64encode(str(one.version).encode()).decode()


def _shown(one: Stored) -> dict[str, Any]:
    metrics = one.document.get("metrics", {})
    return {
        **one.document,
        "metrics": {"queries": metrics.get("queries", {}), "results": one.results["own"]},
        "systemMetrics": {"results": one.results["system"], "queries": {}},
        "createdTimeUtc": one.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
        "lastUpdatedTimeUtc": one.updated_at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
        "etag": _etag(one),
    }


def fault(status: int, code: str, message: str) -> web.Response:
    """As hubs tell of one."""
    text = f"ErrorCode:{code};{message}"
    return web.json_response({"Message": text, "ExceptionMessage": "Tracking ID:0"}, status=status)


@asynccontextmanager
async def iot_hub_double(folder: Path, *devices: Device) -> AsyncIterator[HubDouble]:
    """A hub with these devices, for as long as the context lasts; its certificate is written into the folder."""
    tls = tls_files(folder)
    double = HubDouble(authority=str(tls.certificate), devices=list(devices))
    async with serving_tls(double, tls.server_context()):
        yield double


@asynccontextmanager
async def serving_tls(double: HubDouble, tls: ssl.SSLContext) -> AsyncIterator[None]:
    app = web.Application(client_max_size=2 * 2**20)
    app.router.add_route("*", "/configurations{path:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    sock = bound_socket()
    try:
        await web.SockSite(runner, sock, ssl_context=tls).start()
        double.host = f"127.0.0.1:{sock.getsockname()[1]}"
        yield
    finally:
        await runner.cleanup()
