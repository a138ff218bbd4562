"""Real git over smart HTTP on loopback: `git http-backend` behind a small CGI server."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from aiohttp import web

Behaviour = Literal["serve", "hang", "break", "fail"]


@asynccontextmanager
async def git_http_server(
    root: Path, password: str | None = None, behaviour: Behaviour = "serve"
) -> AsyncIterator[str]:
    """The base URL; repositories are the folders of `root`. It wants `password` (any user) when there is one."""
    stopping = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        if behaviour == "hang":
            await stopping.wait()
        if behaviour == "break" and request.transport:
            request.transport.abort()
        if behaviour == "fail":
            return web.Response(status=502)
        if password is not None and not _is_allowed(request, password):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        return await _backend(request, root)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        stopping.set()
        await runner.cleanup()


def _is_allowed(request: web.Request, password: str) -> bool:
    encoded = request.headers.get("Authorization", "").removeprefix("Basic ")
    return base64.b64decode(encoded).decode().partition(":")[2] == password


async def _backend(request: web.Request, root: Path) -> web.Response:
    environ = {
        "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": request.path, "QUERY_STRING": request.query_string, "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        "GIT_CONFIG_KEY_1": "uploadpack.allowFilter", "GIT_CONFIG_VALUE_1": "true",
    }  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("git", "http-backend", stdin=pipe, stdout=pipe, env=environ)
    output, _ = await process.communicate(await request.read())
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
    status = int(headers.pop("Status", "200").split()[0])
    return web.Response(status=status, headers=headers, body=body)
