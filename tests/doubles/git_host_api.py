"""The status and comment operations of GitHub, GitLab and Azure DevOps on loopback, by their documented shapes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class GitHostApi:
    token: str
    url: str = ""
    fail_with: web.Response | None = None
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        basic = "Basic " + base64.b64encode(f":{self.token}".encode()).decode()
        headers = request.headers
        given = headers.get("Authorization") in (f"Bearer {self.token}", basic)
        if not given and headers.get("PRIVATE-TOKEN") != self.token:
            return web.Response(status=401)
        if self.fail_with:
            return self.fail_with
        self.received.append((request.raw_path.partition("?")[0], await request.json()))
        return web.json_response({}, status=201)


@asynccontextmanager
async def git_host_api(token: str) -> AsyncIterator[GitHostApi]:
    api = GitHostApi(token)
    app = web.Application()
    app.router.add_post("/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
