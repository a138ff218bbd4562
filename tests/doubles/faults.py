"""A reverse proxy with TLS that fails at a stated rate, as networks and busy services do."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

from tests.doubles.delegated_sas import KEY_REQUEST, DelegatedSas
from tests.doubles.tls import TlsFiles

HANG_S = 0.5  # how long a request hangs that is never answered
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}  # RFC 9110, section 7.6.1

Refusal = Callable[[web.Request, bytes], web.Response | None]


@dataclass(frozen=True)
class Rates:
    """The share of requests, each of 0 to 1, that meet a fault."""

    reset_before: float = 0.0  # the connection breaks, and nothing was done
    reset_after: float = 0.0  # it was done, and the connection breaks before the answer
    hang: float = 0.0  # no answer for a while, then the connection breaks; nothing was done
    server_error: float = 0.0  # 500, nothing was done
    throttled: float = 0.0  # 429, come again
    precondition: float = 0.0  # 412 where the request has a condition

    def choose(self, at: float) -> str:
        """The fault for a number of 0 to 1; "" for none."""
        for name, rate in vars(self).items():
            if at < rate:
                return str(name)
            at -= rate
        return ""


@dataclass
class FaultyProxy:
    """Forwards to `upstream`; `met` counts the faults that were made, `passed` what got through and was answered."""

    upstream: str
    rates: Rates
    rng: random.Random
    tls: TlsFiles
    throttle: Refusal
    precondition: Refusal
    url: str = ""
    latency_s: tuple[float, float] = (0.0, 0.0)  # at least, at most
    delegated: DelegatedSas | None = None  # of Blob Storage
    kept: list[bytes] | None = None  # bodies of what came, where somebody reads them

    def __post_init__(self) -> None:
        self.met: Counter[str] = Counter()
        self.passed: Counter[int] = Counter()
        self.methods: Counter[str] = Counter()  # of what got through

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve it on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await runner.setup()
        connector = aiohttp.TCPConnector(ssl=self.tls.client_context(), limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls.server_context()).start()
            self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield
            finally:
                await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.kept is not None:
            self.kept.append(body)
        if self.latency_s[1]:
            await asyncio.sleep(self.rng.uniform(*self.latency_s))
        fault = self.rates.choose(self.rng.random())
        refused = self._refusal(fault, request, body)
        if refused is not None:
            self.met[fault] += 1
            return refused
        if fault == "hang":
            await asyncio.sleep(HANG_S)
        if fault in ("hang", "reset_before"):
            return self._broken(request, fault)
        answer = await self._forward(request, body)
        return self._broken(request, fault) if fault == "reset_after" else answer

    def _refusal(self, fault: str, request: web.Request, body: bytes) -> web.Response | None:
        if fault == "server_error":
            return web.Response(status=500)
        asked = {"throttled": self.throttle, "precondition": self.precondition}.get(fault)
        return asked(request, body) if asked else None

    def _broken(self, request: web.Request, fault: str) -> web.Response:
        self.met[fault] += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers, path = _end_to_end(request.headers), request.raw_path
        if self.delegated is not None:
            path = self.delegated.translated(path)
            if "x-ms-copy-source" in headers:
                source = self.delegated.translated(headers["x-ms-copy-source"])
                headers["x-ms-copy-source"] = source.replace(self.url, self.upstream, 1)
        target = URL(self.upstream + path, encoded=True)
        async with self._session.request(
            request.method, target, data=body, headers=headers, allow_redirects=False
        ) as answer:
            content = await answer.read()
            self.passed[answer.status] += 1
            self.methods[request.method] += 1
            if self.delegated is not None and KEY_REQUEST in path and answer.status == 200:
                self.delegated.learn(content)
            kept = _end_to_end(answer.headers)
            if request.method == "HEAD" and "Content-Length" in answer.headers:
                kept["content-length"] = answer.headers["Content-Length"]
            return web.Response(status=answer.status, headers=kept, body=content)


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


def cosmos_throttle(request: web.Request, body: bytes) -> web.Response:
    """429 with 3200, "Request rate is large"."""
    headers = {"x-ms-retry-after-ms": "20", "x-ms-substatus": "3200", "x-ms-request-charge": "0"}
    return web.json_response({"code": "429", "message": "Request rate is large"}, status=429, headers=headers)


def cosmos_precondition(request: web.Request, body: bytes) -> web.Response | None:
    """412 as if another had written first: for a batch in the answer of the operation that has a condition, and 424 for
    all others. None where the request has no condition."""
    if request.headers.get("x-ms-cosmos-is-batch-request", "").lower() != "true":
        conditional = "If-Match" in request.headers
        return web.json_response({"code": "PreconditionFailed", "message": ""}, status=412) if conditional else None
    operations = json.loads(body)
    conditional_at = [index for index, each in enumerate(operations) if each.get("ifMatch")]
    if not conditional_at:
        return None
    answers = [{"statusCode": 424, "requestCharge": 0.0} for _ in operations]
    answers[conditional_at[0]]["statusCode"] = 412
    return web.json_response(answers, status=207)


def storage_throttle(request: web.Request, body: bytes) -> web.Response:
    """503 ServerBusy: what Storage says in place of 429."""
    return _storage_error(503, "ServerBusy")


def storage_precondition(request: web.Request, body: bytes) -> web.Response | None:
    """412 ConditionNotMet; None where the request has no condition."""
    return _storage_error(412, "ConditionNotMet") if "If-Match" in request.headers else None


def event_grid_throttle(request: web.Request, body: bytes) -> web.Response:
    """429 with Retry-After."""
    error = {"error": {"code": "TooManyRequests", "message": "come again"}}
    return web.json_response(error, status=429, headers={"Retry-After": "1"})


def never(request: web.Request, body: bytes) -> None:
    """For a service without conditions."""


def _storage_error(status: int, code: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml", headers={"x-ms-error-code": code})
