"""A container registry on loopback that can be told to misbehave; the blobs and manifests are in memory."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "registry-token-not-to-be-seen"
Interference = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


async def _no_interference(request: web.Request) -> web.StreamResponse | None:
    return None


@dataclass
class RegistryDouble:
    """`interfere` may answer any request in the registry's place; `bearer` has it ask for a token of its own service,
    which wants the user and the password `user:password`."""

    interfere: Interference = _no_interference
    bearer: bool = False
    basic: str = ""  # of the token service: "user:password"
    understands_subjects: bool = False
    host: str = ""  # HOST:PORT
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)  # by tag and by digest
    requests: list[str] = field(default_factory=list)  # "GET /path"
    authorizations: list[str] = field(default_factory=list)  # what came, "" for none
    scopes: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        self.authorizations.append(request.headers.get("Authorization", ""))
        if (answer := await self.interfere(request)) is not None:
            return answer
        if request.path == "/token":
            return self._give_token(request)
        if self.bearer and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="{request.scheme}://{self.host}/token",service="double",scope="everything"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        parts = request.path.removeprefix("/v2/").rsplit("/", 2)
        if parts[-2] == "manifests":
            return await self._manifest(request, parts[-1])
        return await self._blob(request, parts[-1])

    def _give_token(self, request: web.Request) -> web.Response:
        expected = "Basic " + base64.b64encode(self.basic.encode()).decode()
        if self.basic and request.headers.get("Authorization") != expected:
            return web.Response(status=401)
        self.scopes.append(request.query["scope"])
        return web.json_response({"access_token": TOKEN, "expires_in": 60})

    async def _manifest(self, request: web.Request, reference: str) -> web.Response:
        if request.method == "PUT":
            content = await request.read()
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            self.manifests[reference] = self.manifests[digest] = (content, request.headers["Content-Type"])
            headers = {"Docker-Content-Digest": digest}
            if self.understands_subjects:
                headers["OCI-Subject"] = digest
            return web.Response(status=201, headers=headers)
        if reference not in self.manifests:
            return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, status=404)
        content, kind = self.manifests[reference]
        return web.Response(body=content, content_type=kind)

    async def _blob(self, request: web.Request, name: str) -> web.Response:
        if request.method == "POST":
            return web.Response(status=202, headers={"Location": f"{request.path}one?_state=a%2Fb%3D"})
        if request.method == "PUT":
            content, digest = await request.read(), request.query["digest"]
            if request.query["_state"] != "a/b=" or digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
                return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)
            self.blobs[digest] = content
            return web.Response(status=201)
        if name not in self.blobs:
            return web.json_response({"errors": [{"code": "BLOB_UNKNOWN"}]}, status=404)
        return web.Response(body=self.blobs[name])


@asynccontextmanager
async def registry_double(tls: ssl.SSLContext | None = None) -> AsyncIterator[RegistryDouble]:
    double = RegistryDouble()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", double.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    double.host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield double
    finally:
        await runner.cleanup()
