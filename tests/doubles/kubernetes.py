"""A Kubernetes API server on loopback, as far as Slipway asks one: server-side apply, lists, deletion, logs."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.doubles.kubernetes_controllers import step
from tests.doubles.kubernetes_fields import Conflict
from tests.doubles.kubernetes_jobs import JobControllers
from tests.doubles.kubernetes_objects import Cluster, Key
from tests.doubles.webhook_receiver import bound_socket

NAMESPACE = "slipway"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in Python takes most of the double's time
TOKEN = "kubernetes-token"
PLURALS = {
    "v1": {"serviceaccounts", "secrets", "configmaps", "services", "pods"},
    "apps/v1": {"deployments"},
    "autoscaling/v2": {"horizontalpodautoscalers"},
    "batch/v1": {"jobs"},
    "policy/v1": {"poddisruptionbudgets"},
    "networking.k8s.io/v1": {"networkpolicies"},
    "gateway.networking.k8s.io/v1": {"httproutes"},
}


async def nothing(_request: web.Request) -> None:
    """No fault."""


@dataclass
class KubernetesDouble:
    url: str = ""
    cluster: Cluster = field(default_factory=Cluster)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    takes_token: Callable[[str], bool] = lambda _token: False  # beside these
    requests: list[tuple[str, str]] = field(default_factory=list)  # method, path
    before: Callable[[web.Request], Awaitable[web.Response | None]] = nothing  # answers in its place, or None
    after: Callable[[web.Request], Awaitable[None]] = nothing  # between what is done and its answer
    has_gateway_api: bool = True
    has_controllers: bool = True  # without them no pod comes, and lists of many objects are quick
    logs: dict[str, str] = field(default_factory=dict)  # by pod
    jobs: JobControllers | None = None  # None: no pod comes of a Job

    def writes(self) -> list[tuple[str, str]]:
        """The requests that may change something."""
        return [each for each in self.requests if each[0] != "GET"]

    def names(self, plural: str) -> list[str]:
        return sorted(name for kind, _, name in self.cluster.objects if kind == plural)

    def one(self, plural: str, name: str) -> dict[str, Any]:
        return self.cluster.objects[plural, NAMESPACE, name].document()

    def edit(self, plural: str, name: str, patch: dict[str, Any]) -> None:
        self.cluster.edit((plural, NAMESPACE, name), patch)

    def kubeconfig(self, folder: Path, token: str = TOKEN) -> Path:
        """A file that leads here."""
        path = folder / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "double", "cluster": {"server": self.url}}],
            "users": [{"name": "tester", "user": {"token": token}}],
            "contexts": [{"name": "double", "context": {"cluster": "double", "user": "tester"}}],
            "current-context": "double",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens and not self.takes_token(token):
            return status_answer(401, "Unauthorized", "Unauthorized")
        if (answer := await self.before(request)) is not None:
            return answer
        if self.jobs is not None and request.method == "GET":
            await self.jobs.step()
        response = await self._answer(request)
        await self.after(request)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        prefix, _, rest = request.path.partition("/namespaces/")
        version = prefix.removeprefix("/apis/").removeprefix("/api/")
        namespace, plural, *more = rest.split("/")
        is_known = plural in PLURALS.get(version, ()) and (plural != "httproutes" or self.has_gateway_api)
        if not is_known:
            return status_answer(404, "NotFound", "the server could not find the requested resource")
        if namespace != NAMESPACE:
            return status_answer(404, "NotFound", f'namespaces "{namespace}" not found')
        match (request.method, more):
            case ("GET", []):
                return self._list(request, plural)
            case ("GET", [name, "log"]):
                return await self._log(name, request)
            case ("PATCH", [name]):
                return await self._apply(request, (plural, namespace, name), version)
            case ("DELETE", [name]):
                return self._delete((plural, namespace, name))
        return status_answer(405, "MethodNotAllowed", request.method)

    def _list(self, request: web.Request, plural: str) -> web.Response:
        if plural == "deployments" and self.has_controllers:
            step(self.cluster)
        selector = dict(part.partition("=")[::2] for part in request.query.get("labelSelector", "").split(",") if part)
        keys = sorted(key for key in self.cluster.objects if key[0] == plural)
        documents = [self.cluster.objects[key].document() for key in keys]
        found = [each for each in documents if selector.items() <= each["metadata"].get("labels", {}).items()]
        begin, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or 0)
        page = found[begin : begin + limit] if limit else found
        more = {"continue": str(begin + limit)} if limit and begin + limit < len(found) else {}
        return web.json_response({"kind": "List", "metadata": {"resourceVersion": "1", **more}, "items": page})

    async def _log(self, name: str, request: web.Request) -> web.Response:
        if ("pods", NAMESPACE, name) not in self.cluster.objects:
            return status_answer(404, "NotFound", f'pods "{name}" not found')
        printed = await self.jobs.log(name, request.query.get("container", "")) if self.jobs is not None else None
        lines = (printed or self.logs.get(name, f"log of {name}\n")).splitlines(keepends=True)
        return web.Response(text="".join(lines[-int(request.query["tailLines"]) :]))

    async def _apply(self, request: web.Request, key: Key, version: str) -> web.Response:
        manager, force = request.query.get("fieldManager"), request.query.get("force") == "true"
        if request.content_type != "application/apply-patch+yaml" or not manager:
            return status_answer(415, "UnsupportedMediaType", "only server-side apply")
        document = yaml.load(await request.read(), _LOADER)
        if document["metadata"]["name"] != key[2] or document["apiVersion"] != version:
            return status_answer(400, "BadRequest", "the name or version of the object does not match the URL")
        before = self.cluster.objects.get(key)
        uid = document["metadata"].get("uid")
        if uid and (before is None or before.uid != uid):
            return status_answer(409, "Conflict", f"Precondition failed: UID in precondition: {uid}")
        template = (document.get("spec") or {}).get("template")
        is_own_job = before is not None and document["kind"] == "Job" and before.fields.is_owner(manager)
        if is_own_job and template and before.document()["spec"]["template"] != template:
            return status_answer(422, "Invalid", "spec.template: field is immutable")
        if before is not None and document["kind"] == "Deployment":
            former = before.document()["spec"]["selector"]
            if former != document["spec"]["selector"]:
                return status_answer(422, "Invalid", "spec.selector: field is immutable")
        try:
            one, is_new = self.cluster.apply(key, document, manager, force=force)
        except Conflict as conflict:
            fields = "; ".join(f'"{owner}": .{".".join(path)}' for path, owner in conflict.fields.items())
            causes = [
                {"reason": "FieldManagerConflict", "message": f'conflict with "{owner}"', "field": f".{'.'.join(path)}"}
                for path, owner in conflict.fields.items()
            ]
            message = f"Apply failed with {len(conflict.fields)} conflict: {fields}"
            return status_answer(409, "Conflict", message, details={"causes": causes})
        return web.json_response(one.document(), status=201 if is_new else 200)

    def _delete(self, key: Key) -> web.Response:
        if self.cluster.delete(key) is None:
            return status_answer(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        return status_answer(200, "", "deleted", status="Success")


def status_answer(code: int, reason: str, message: str, status: str = "Failure", **more: Any) -> web.Response:
    """A Status (meta/v1), as every failure is answered with."""
    document = {"kind": "Status", "apiVersion": "v1", "status": status, "reason": reason, "message": message}
    body = json.dumps({**document, **more, "code": code})
    # Without a charset, as API servers say it.
    return web.Response(status=code, body=body.encode(), headers={"Content-Type": "application/json"})


@asynccontextmanager
async def kubernetes_double(tls: ssl.SSLContext | None = None) -> AsyncIterator[KubernetesDouble]:
    """An empty cluster with the namespace `slipway`, for as long as the context lasts."""
    double = KubernetesDouble()
    app = web.Application(client_max_size=8 * 2**20)
    app.router.add_route("*", "/{path:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    sock = bound_socket()
    try:
        await web.SockSite(runner, sock, ssl_context=tls).start()
        double.url = f"{'https' if tls else 'http'}://127.0.0.1:{sock.getsockname()[1]}"
        yield double
    finally:
        await runner.cleanup()
