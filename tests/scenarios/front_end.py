"""What stands before the instances of a function app: it spreads requests over those that live."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from tests.doubles.webhook_receiver import serving

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}  # RFC 9110, section 7.6.1


class FrontEnd:
    """Forwards each request to one of `urls`, chosen at random. One that was not reached is passed over; when an
    instance dies with a request, the caller's connection breaks."""

    def __init__(self, rng: random.Random) -> None:
        self.urls: list[str] = []
        self.url = ""
        self._rng = rng

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve it."""
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._forward)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as self._session, serving(app) as url:
            self.url = url
            yield

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        for url in self._rng.sample(self.urls, len(self.urls)):
            target = URL(url + request.raw_path, encoded=True)
            try:
                async with self._session.request(
                    request.method, target, data=body, headers=headers, allow_redirects=False
                ) as answer:
                    kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
                    return web.Response(status=answer.status, headers=kept, body=await answer.read())
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, OSError):
                break
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)
