"""A small real server that keeps the part of MLflow's REST API that a registry is read by, in memory: the answers have
the shape of MLflow 3.17's. It stops with its `with` block."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
CREATED_MS = 1_700_000_000_000


@dataclass
class MlflowRest:
    """The server's state, open to tests."""

    url: str = ""
    page_size: int = 2  # the most it lists at once, whatever is asked
    authorization: str | None = None  # what it demands
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)  # path at the proxy -> content
    runs: dict[str, str] = field(default_factory=dict)  # run id -> artifact uri
    logged_models: dict[str, str] = field(default_factory=dict)  # model id -> artifact uri
    downloads: list[str] = field(default_factory=list)
    interpose: Callable[[str], int | None] = lambda path: None  # a status to answer instead

    def add_version(self, name: str, files: dict[str, bytes], **fields: Any) -> dict[str, Any]:
        """Registers a version whose artifacts the proxy has; `source` says otherwise."""
        self.models.setdefault(name, {"name": name, "creation_timestamp": CREATED_MS, "tags": [], "aliases": []})
        versions = self.versions.setdefault(name, [])
        number = str(fields.pop("version", len(versions) + 1))
        root = f"0/run-{name}-{number}/artifacts/model"
        self.artifacts |= {f"{root}/{path}": content for path, content in files.items()}
        version = {
            "name": name,
            "version": number,
            "creation_timestamp": CREATED_MS + int(number) * 1000,
            "last_updated_timestamp": CREATED_MS + int(number) * 2000,
            "current_stage": "None",
            "source": f"mlflow-artifacts:/{root}",
            "status": "READY",
            "tags": [],
            **fields,
        }
        versions.append(version)
        return version

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        """Status and document, or bytes."""
        if self.authorization is not None and headers.get("authorization") != self.authorization:
            return 401, {"error_code": "UNAUTHENTICATED", "message": "who are you?"}
        if (status := self.interpose(path)) is not None:
            return status, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "not now"}
        if path == ARTIFACTS:
            return 200, {"files": self._listed(query.get("path", ""))}
        if path.startswith(f"{ARTIFACTS}/"):
            artifact = path.removeprefix(f"{ARTIFACTS}/")
            self.downloads.append(artifact)
            return (200, self.artifacts[artifact]) if artifact in self.artifacts else _missing(artifact)
        return self._mlflow(path.removeprefix("/api/2.0/mlflow/"), query)

    def _mlflow(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        name = query.get("name", "")
        if path == "registered-models/search":
            return 200, self._page("registered_models", list(self.models.values()), query)
        if path == "registered-models/get":
            return (200, {"registered_model": self.models[name]}) if name in self.models else _missing(name)
        if path == "model-versions/search":
            wanted = re.fullmatch(r"name='(.*)'", query["filter"])
            assert wanted is not None
            newest_first = self.versions.get(wanted[1], [])[::-1]
            return 200, self._page("model_versions", newest_first, query)
        if path == "model-versions/get-download-uri":
            found = next(one for one in self.versions[name] if one["version"] == query["version"])
            return 200, {"artifact_uri": found["source"]}
        if path == "runs/get":
            run_id = query["run_id"]
            if run_id not in self.runs:
                return _missing(run_id)
            info = {"run_id": run_id, "experiment_id": "7", "artifact_uri": self.runs[run_id]}
            return 200, {"run": {"info": info}}
        if path == "experiments/get":
            return 200, {"experiment": {"experiment_id": query["experiment_id"], "name": "trials"}}
        if path.startswith("logged-models/"):
            uri = self.logged_models[path.removeprefix("logged-models/")]
            return 200, {"model": {"info": {"artifact_uri": uri}}}
        return _missing(path)

    def _page(self, key: str, items: list[Any], query: dict[str, str]) -> dict[str, Any]:
        start = int(query.get("page_token") or 0)
        end = start + self.page_size
        page = {key: items[start:end]}
        return {**page, "next_page_token": str(end)} if end < len(items) else page

    def _listed(self, folder: str) -> list[dict[str, Any]]:
        below = {path.removeprefix(f"{folder}/") for path in self.artifacts if path.startswith(f"{folder}/")}
        folders = sorted({path.partition("/")[0] for path in below if "/" in path})
        return [{"path": one, "is_dir": True} for one in folders] + [
            {"path": one, "is_dir": False, "file_size": len(self.artifacts[f"{folder}/{one}"])}
            for one in sorted(below)
            if "/" not in one
        ]


def _missing(what: str) -> tuple[int, Any]:
    return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"there is no {what}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    state: MlflowRest

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, document = self.state.answer(unquote(parts.path), query, headers)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def running_mlflow() -> Iterator[MlflowRest]:
    """The server on a free loopback port."""
    state = MlflowRest()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
