"""Azure Container Registry's tasks: runs that take a few looks, their logs, the build context they were given.

Source: REST reference, Microsoft.ContainerRegistry 2025-03-01-preview: registries (listBuildSourceUploadUrl,
scheduleRun), runs (get, cancel, listLogSasUrl). What a run comes to is in its Dockerfile: `RUN fail` fails, `RUN hang`
never ends.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.doubles.arm_event_subscriptions import TOKEN
from tests.doubles.webhook_receiver import serving

REGISTRY_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/slipway"
LOGIN_SERVER = "slipway.azurecr.io"
API_VERSION = "2025-03-01-preview"
STATES = ("Queued", "Started", "Running")  # one a look, then it has ended
FIELDS = {
    *("type", "dockerFilePath", "imageNames", "isPushEnabled", "noCache"),
    *("sourceLocation", "platform", "arguments", "timeout"),
}


@dataclass
class Run:
    asked: dict[str, Any]
    files: dict[str, str]
    looks: int = 0
    ended: str = ""


@dataclass
class AcrDouble:
    url: str = ""
    takes_token: Callable[[str], bool] = TOKEN.__eq__
    runs: dict[str, Run] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    others: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = field(default_factory=dict)  # POST, by path

    def routes(self, app: web.Application) -> None:
        app.router.add_post(f"{REGISTRY_ID}/listBuildSourceUploadUrl", self._upload_url)
        app.router.add_post(f"{REGISTRY_ID}/scheduleRun", self._schedule)
        app.router.add_get(f"{REGISTRY_ID}/runs/{{id}}", self._get)
        app.router.add_post(f"{REGISTRY_ID}/runs/{{id}}/cancel", self._cancel)
        app.router.add_post(f"{REGISTRY_ID}/runs/{{id}}/listLogSasUrl", self._log_url)
        app.router.add_put("/blobs/{name}", self._put)
        app.router.add_get("/logs/{id}", self._log)
        app.router.add_post("/{other:.*}", self._other)

    @web.middleware
    async def checks(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Of what is asked about the registry; the rest is others'."""
        if request.path.startswith(("/blobs/", "/logs/")):  # a SAS, and nobody sends a token there
            if request.query.get("sig") != "sas" or "Authorization" in request.headers:
                return web.Response(status=403)
        elif (request.path.startswith(REGISTRY_ID) or request.path in self.others) and not self.takes_token(
            request.headers.get("Authorization", "").removeprefix("Bearer ")
        ):
            return web.Response(status=401)
        elif request.path.startswith(REGISTRY_ID) and request.query.get("api-version") != API_VERSION:
            return web.Response(status=400)
        response: web.StreamResponse = await handler(request)
        return response

    async def _upload_url(self, request: web.Request) -> web.Response:
        name = f"source-{len(self.uploads)}.tar.gz"
        return web.json_response({"uploadUrl": f"{self.url}/blobs/{name}?sig=sas", "relativePath": f"source/{name}"})

    async def _put(self, request: web.Request) -> web.Response:
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            return web.Response(status=400)
        self.uploads[f"source/{request.match_info['name']}"] = await request.read()
        return web.Response(status=201)

    async def _schedule(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if set(asked) != FIELDS or asked["sourceLocation"] not in self.uploads:
            return web.json_response({"error": {"code": "InvalidRequest"}}, status=400)
        run_id = f"cf{len(self.runs) + 1}"
        self.runs[run_id] = Run(asked, _files(self.uploads[asked["sourceLocation"]]))
        return web.json_response(self._shown(run_id, "Queued"), status=200)

    async def _get(self, request: web.Request) -> web.Response:
        run_id = request.match_info["id"]
        if run_id not in self.runs:
            return web.json_response({"error": {"code": "NotFound"}}, status=404)
        run = self.runs[run_id]
        dockerfile = run.files[run.asked["dockerFilePath"]]
        run.looks += 1
        if not run.ended and run.looks > len(STATES) and "RUN hang" not in dockerfile:
            run.ended = "Failed" if "RUN fail" in dockerfile else "Succeeded"
        return web.json_response(self._shown(run_id, run.ended or STATES[min(run.looks, len(STATES)) - 1]))

    async def _cancel(self, request: web.Request) -> web.Response:
        run = self.runs.get(request.match_info["id"])
        if run is None or run.ended:
            return web.json_response({"error": {"code": "RunNotFound"}}, status=404 if run is None else 409)
        run.ended = "Canceled"
        return web.Response(status=202)

    async def _log_url(self, request: web.Request) -> web.Response:
        return web.json_response({"logLink": f"{self.url}/logs/{request.match_info['id']}?sig=sas"})

    async def _other(self, request: web.Request) -> web.Response:
        known = self.others.get(request.path)
        return await known(request) if known else web.Response(status=404)

    async def _log(self, request: web.Request) -> web.Response:
        run = self.runs[request.match_info["id"]]
        return web.Response(text=f"Step 1 : {run.files[run.asked['dockerFilePath']].splitlines()[0]}\n")

    def _shown(self, run_id: str, status: str) -> dict[str, Any]:
        properties: dict[str, Any] = {"runId": run_id, "status": status, "provisioningState": "Succeeded"}
        if status == "Succeeded":
            repository, _, tag = self.runs[run_id].asked["imageNames"][0].partition(":")
            digest = "sha256:" + hashlib.sha256(tag.encode()).hexdigest()
            image = {"registry": LOGIN_SERVER, "repository": repository, "tag": tag, "digest": digest}
            properties["outputImages"] = [image]
        return {"id": f"{REGISTRY_ID}/runs/{run_id}", "name": run_id, "properties": properties}


def _files(packed: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read().decode(errors="replace") for name, file in found.items() if file is not None}


@asynccontextmanager
async def acr_double() -> AsyncIterator[AcrDouble]:
    """The double on a free loopback port for as long as the context lasts."""
    double = AcrDouble()
    app = web.Application(middlewares=[double.checks], client_max_size=50 * 2**20)
    double.routes(app)
    async with serving(app) as double.url:
        yield double
