"""A small real server that keeps Slipway's REST contract in memory, for tests of what speaks to it: the contract is the
OpenAPI document of shared.api. It stops with its `with` block."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

KEY = "the-function-key"
TIME = "2026-11-23T12:00:00.250000Z"


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str  # decoded
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is answered. `cut`: the connection breaks before the answer; `cut_after`: after the content."""

    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None  # instead of the document
    cut: bool = False
    cut_after: bool = False


@dataclass
class RestApi:
    """The server's state, open to tests. `interpose` may answer in its place; None lets it answer itself."""

    url: str = ""
    page_size: int = 1000  # the most it lists at once
    requests: list[Request] = field(default_factory=list)
    models: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)  # "upload_id/path" and SHA-256 -> content
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    subscriptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    interpose: Callable[[Request], Reply | None] = lambda request: None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, request: Request) -> Reply:
        with self.lock:
            self.requests.append(request)
            return self.interpose(request) or self._route(request)

    def seen(self, method: str, prefix: str) -> list[Request]:
        """The requests of that method whose path starts so."""
        return [r for r in self.requests if r.method == method and r.path.startswith(prefix)]

    def _route(self, request: Request) -> Reply:
        if request.path.startswith("/signed/"):
            return self._signed(request)
        if request.headers.get("x-functions-key") != KEY:
            return Reply(401)
        for pattern, handler in _ROUTES:
            if match := re.fullmatch(pattern, f"{request.method} {request.path}"):
                return handler(self, request, *match.groups())
        return problem(404, "NotFound", f"nothing is at {request.path}")

    def _signed(self, request: Request) -> Reply:
        if "x-functions-key" in request.headers or request.query.get("sig") != "secret-signature":
            return Reply(403, headers={"x-ms-error-code": "AuthenticationFailed"})
        path = request.path.removeprefix("/signed/")
        if request.method == "PUT":
            if request.headers.get("x-ms-blob-type") != "BlockBlob":
                return Reply(400)
            self.blobs[path] = request.body
            return Reply(201, headers={"x-ms-content-sha256": hashlib.sha256(request.body).hexdigest()})
        return Reply(200, content=self.blobs[path])

    def create_upload(self, request: Request) -> Reply:
        upload_id = f"u-{len(self.uploads):08}"
        self.uploads[upload_id] = {"upload_id": upload_id, "phase": "Pending", "model_id": None}
        files = [
            {
                "path": file["path"],
                "url": f"/signed/{upload_id}/{file['path']}?sig=secret-signature",
                "method": "PUT",
                "headers": {"x-ms-blob-type": "BlockBlob"},
            }
            for file in request.json["files"]
        ]
        return Reply(201, {"upload_id": upload_id, "files": files, "expires_at": TIME})

    def register(self, request: Request) -> Reply:
        body = request.json
        try:
            model = body.get("model") or yaml.load(body["manifest"], yaml.BaseLoader)
        except yaml.YAMLError:
            return problem(422, "Invalid", "refused", [_fault(body, "not YAML")])
        model |= {name: body[name] for name in ("name", "description", "tags") if name in body}
        if "name" not in model:
            return problem(422, "Invalid", "refused", [_fault(body, "'name' is missing", "a name")], "correct it")
        upload = self.uploads[body["upload_id"]]
        missing = [path for path in body.get("files", []) if f"{body['upload_id']}/{path}" not in self.blobs]
        upload.update(upload_document(body["upload_id"], missing=missing))
        if missing:
            return Reply(202, upload)
        version = self.add_version(
            model, {path: self.blobs[f"{body['upload_id']}/{path}"] for path in body["files"]}, body["upload_id"]
        )
        upload.update(phase="Completed", model_id=version["id"])
        return Reply(201, version)

    def add_version(self, model: dict[str, Any], files: dict[str, bytes], upload_id: str = "u-0") -> dict[str, Any]:
        """Registers a version; its document."""
        versions = self.models.setdefault(model["name"], [])
        listed = []
        for path, content in sorted(files.items()):
            sha256 = hashlib.sha256(content).hexdigest()
            self.blobs[sha256] = content
            listed.append({"path": path, "sha256": sha256, "size_bytes": len(content)})
        number = str(len(versions) + 1)
        version = {
            "id": f"{model['name']}:{number}",
            "name": model["name"],
            "version": number,
            "type": model.get("type", "custom_model"),
            "description": model.get("description"),
            "tags": model.get("tags", {}),
            "properties": model.get("properties", {}),
            "path": model.get("path", "."),
            "files": listed,
            "size_bytes": sum(file["size_bytes"] for file in listed),
            "upload_id": upload_id,
            "created_at": TIME,
            "created_by": "default",
            "modified_at": TIME,
            "modified_by": "default",
        }
        versions.append(version)
        return version

    def get_upload(self, request: Request, upload_id: str) -> Reply:
        found = self.uploads.get(upload_id)
        return Reply(200, found) if found else problem(404, "NotFound", f"there is no upload {upload_id!r}")

    def list_uploads(self, request: Request) -> Reply:
        return self._page(request, list(self.uploads.values()))

    def list_models(self, request: Request) -> Reply:
        names = ("name", "description", "tags", "created_at", "modified_at")
        items = [
            {**{name: versions[-1][name] for name in names}, "latest_version": versions[-1]["version"]}
            for versions in self.models.values()
        ]
        return self._page(request, items)

    def list_versions(self, request: Request, name: str) -> Reply:
        if name not in self.models:
            return problem(404, "NotFound", f"there is no model {name!r}", remedy="`slipway model list` shows them")
        return self._page(request, self.models[name][::-1])

    def get_version(self, request: Request, name: str, version: str) -> Reply:
        versions = self.models.get(name, [])
        wanted = versions[-1]["version"] if versions and version == "latest" else version
        found = next((v for v in versions if v["version"] == wanted), None)
        if found is None:
            return problem(404, "NotFound", f"there is no {name}:{version}", remedy="`slipway model list` shows them")
        return Reply(200, found, {"ETag": '"1"'})

    def download(self, request: Request, name: str, version: str, path: str) -> Reply:
        found = self.get_version(request, name, version).document
        sha256 = next(file["sha256"] for file in found["files"] if file["path"] == path)
        return Reply(302, headers={"Location": f"/signed/{sha256}?sig=secret-signature"})

    def list_events(self, request: Request) -> Reply:
        since, types = request.query.get("since", ""), request.query.get("type", "")
        items = [
            e for e in self.events if e["eventTime"] >= since and (not types or e["eventType"] in types.split(","))
        ]
        return self._page(request, items)

    def list_subscriptions(self, request: Request) -> Reply:
        return Reply(200, {"items": list(self.subscriptions.values())})

    def put_subscription(self, request: Request, name: str) -> Reply:
        document = {"name": name, "state": "Succeeded", "state_reason": "", **request.json}
        document.pop("signing_secret", None)
        known = name in self.subscriptions
        self.subscriptions[name] = document
        return Reply(200 if known else 201, document)

    def delete_subscription(self, request: Request, name: str) -> Reply:
        return Reply(204) if self.subscriptions.pop(name, None) else problem(404, "NotFound", f"no {name}")

    def reconcile(self, request: Request, kind: str, name: str) -> Reply:
        return Reply(202, {"kind": kind, "name": name, "phase": "Pending"})

    def _page(self, request: Request, items: list[Any]) -> Reply:
        start = int(request.query.get("continuation", "0"))
        end = start + min(int(request.query.get("limit", "100")), self.page_size)
        return Reply(200, {"items": items[start:end], "continuation": str(end) if end < len(items) else None})


def problem(
    status: int, code: str, detail: str, faults: list[dict[str, Any]] | None = None, remedy: str | None = None
) -> Reply:
    """An error as the server tells it (RFC 9457)."""
    document = {"type": f"urn:slipway:problem:{code}", "title": code, "status": status, "detail": detail, "code": code}
    return Reply(
        status,
        {**document, "instance": "urn:slipway:request:r-1", "faults": faults or [], "remedy": remedy},
        {"Content-Type": "application/problem+json"},
    )


def upload_document(upload_id: str, **changes: Any) -> dict[str, Any]:
    """An upload that waits."""
    condition = {
        "type": "Registered",
        "status": "False",
        "reason": "FilesMissing",
        "message": "waiting for files",
        "last_transition_time": TIME,
    }
    return {
        "upload_id": upload_id,
        "container": "staging",
        "directory": upload_id,
        "phase": "WaitingForFiles",
        "model_id": None,
        "missing": [],
        "faults": [],
        "conditions": [condition],
        "deadline": TIME,
        "created_at": TIME,
        "created_by": "default",
        **changes,
    }


def event_document(number: int, time: str = TIME, kind: str = "ModelRegistered") -> dict[str, Any]:
    """An event in the Event Grid schema."""
    return {
        "id": f"event-{number}",
        "topic": "/topic",
        "subject": f"models/diabetes:{number}",
        "eventType": f"Microsoft.MachineLearningServices.{kind}",
        "eventTime": time,
        "data": {},
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def _fault(body: dict[str, Any], message: str, allowed: str | None = None) -> dict[str, Any]:
    place = {"file": body["manifest_file"], "line": 1, "column": 1}
    return {"message": message, "pointer": "/name", **place, **({"allowed": allowed} if allowed else {})}


_ROUTES: list[tuple[str, Callable[..., Reply]]] = [
    ("POST /api/uploads", RestApi.create_upload),
    ("GET /api/uploads", RestApi.list_uploads),
    ("GET /api/uploads/([^/]+)", RestApi.get_upload),
    ("POST /api/models", RestApi.register),
    ("GET /api/models", RestApi.list_models),
    ("GET /api/models/([^/]+)/versions", RestApi.list_versions),
    ("GET /api/models/([^/]+)/versions/([^/]+)", RestApi.get_version),
    ("GET /api/models/([^/]+)/versions/([^/]+)/files/(.+)", RestApi.download),
    ("GET /api/events", RestApi.list_events),
    ("GET /api/subscriptions", RestApi.list_subscriptions),
    ("PUT /api/subscriptions/([^/]+)", RestApi.put_subscription),
    ("DELETE /api/subscriptions/([^/]+)", RestApi.delete_subscription),
    ("POST /api/resources/([^/]+)/([^/]+)/reconcile", RestApi.reconcile),
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    api: RestApi

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        reply = self.api.answer(Request(self.command, unquote(parts.path), query, headers, body))
        if reply.cut:
            self.close_connection = True
            return
        content = reply.content
        if content is None:
            content = b"" if reply.document is None else json.dumps(reply.document).encode()
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        if reply.status != 204 and "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = reply.cut_after

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def running_rest_api() -> Iterator[RestApi]:
    """The server on a free loopback port."""
    api = RestApi()
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
