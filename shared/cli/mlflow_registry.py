"""An MLflow registry, read through MLflow's REST API (mlflow.org, "REST API"; 2.0 and, for logged models, MLflow 3)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from shared.cli.api import new_client, retried
from shared.cli.errors import CliError, ExitCode, exit_code_for

if TYPE_CHECKING:
    import httpx

PROXY = "/api/2.0/mlflow-artifacts/artifacts"  # the server hands out artifacts itself (--serve-artifacts)
PAGE = 200
MAX_DEPTH = 32
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class MlflowFile:
    """An artifact of a version."""

    path: str  # relative to the version's artifacts
    size_bytes: int
    url: str


@dataclass(slots=True)
class MlflowRegistry:
    """One tracking server. `authorization`: the header's value, or None. Never shows it."""

    url: str  # without a slash at its end; no user or password in it
    authorization: str | None
    timeout_s: float
    _experiments: dict[str, str | None] = field(default_factory=dict)
    _client: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"MlflowRegistry({self.url!r})"

    @property
    def client(self) -> httpx.Client:
        """Sends the credentials with every request, all of which go to the tracking server itself."""
        if self._client is None:
            self._client = new_client(self.url, self.timeout_s)
            if self.authorization:
                self._client.headers["Authorization"] = self.authorization
        return self._client

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        """The document at `path`. Raises CliError with MLflow's own words."""
        given = {name: value for name, value in query.items() if value not in (None, "")}

        def step() -> dict[str, Any]:
            response = self.client.get(f"{self.url}{path}", params=given)
            _check(response)
            try:
                document = response.json()
            except ValueError:
                document = None
            if not isinstance(document, dict):
                raise CliError(f"{self.url}{path} answered with something that is not MLflow's JSON")
            return document

        return retried(step, self.url, self.timeout_s)

    def _pages(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        token: str | None = None
        while True:
            page = self.get(path, **query, max_results=PAGE, page_token=token)
            yield from page.get(key) or ()
            before, token = token, page.get("next_page_token")
            if not token:
                return
            if token == before:
                raise CliError(f"{self.url} repeats a page of {path}")

    def models(self) -> list[dict[str, Any]]:
        """All registered models: name, description, tags, aliases."""
        return list(self._pages("/api/2.0/mlflow/registered-models/search", "registered_models"))

    def model(self, name: str) -> dict[str, Any]:
        """One registered model. Raises CliError."""
        found = self.get("/api/2.0/mlflow/registered-models/get", name=name).get("registered_model")
        if not isinstance(found, dict):
            raise CliError(f"{self.url} has no model {name!r}", ExitCode.NOT_FOUND)
        return found

    def versions(self, name: str) -> list[dict[str, Any]]:
        """The versions of a model, by number."""
        quoted = name.replace("\\", "\\\\").replace("'", "\\'")
        found = self._pages("/api/2.0/mlflow/model-versions/search", "model_versions", filter=f"name='{quoted}'")
        return sorted((one for one in found if one["name"] == name), key=lambda one: int(one["version"]))

    def experiment_of(self, run_id: str) -> str | None:
        """The name of a run's experiment; None when the run is gone."""
        if run_id not in self._experiments:
            try:
                run = self.get("/api/2.0/mlflow/runs/get", run_id=run_id)["run"]["info"]
                found = self.get("/api/2.0/mlflow/experiments/get", experiment_id=run["experiment_id"])
                self._experiments[run_id] = found["experiment"]["name"]
            except CliError as error:
                if error.exit_code not in (ExitCode.NOT_FOUND, ExitCode.REFUSED):
                    raise
                self._experiments[run_id] = None
        return self._experiments[run_id]

    def files(self, version: Mapping[str, Any]) -> list[MlflowFile]:
        """The artifacts of a version, by path. Raises CliError, saying why, when this server does not hand them out."""
        root = self._proxied(self._artifact_uri(version))
        found = sorted(self._below(root, "", 0), key=lambda file: file.path)
        if not found:
            raise CliError("there are no artifacts")
        return found

    def _artifact_uri(self, version: Mapping[str, Any]) -> str:
        """Where the artifacts are. A source may name a run or, since MLflow 3, a logged model (models:/m-...)."""
        named = self.get(
            "/api/2.0/mlflow/model-versions/get-download-uri", name=version["name"], version=version["version"]
        )
        uri = str(named.get("artifact_uri") or version.get("source") or "")
        if uri.startswith("models:/m-"):
            model = self.get(f"/api/2.0/mlflow/logged-models/{quote(uri.removeprefix('models:/'), safe='')}")
            uri = str(model["model"]["info"]["artifact_uri"])
        if uri.startswith("runs:/"):
            run_id, _, path = uri.removeprefix("runs:/").partition("/")
            run = self.get("/api/2.0/mlflow/runs/get", run_id=run_id)["run"]["info"]
            uri = f"{str(run['artifact_uri']).rstrip('/')}/{path}"
        return uri

    def _proxied(self, uri: str) -> str:
        """The path of the artifacts at the proxy."""
        parts = urlsplit(uri)
        own = urlsplit(self.url)
        if parts.scheme == "mlflow-artifacts" and parts.netloc in ("", own.netloc):
            return _safe(unquote(parts.path).strip("/"))
        if parts.scheme in ("http", "https") and parts.netloc == own.netloc and f"{PROXY}/" in parts.path:
            return _safe(unquote(parts.path.partition(f"{PROXY}/")[2]).strip("/"))
        place = f"{parts.scheme}://" if parts.scheme else "a folder"
        message = f"its artifacts are at {place}, which the tracking server does not hand out"
        raise CliError(message, remedy="start it with --serve-artifacts, or push the files from where they are")

    def _below(self, root: str, folder: str, depth: int) -> Iterator[MlflowFile]:
        if depth > MAX_DEPTH:
            raise CliError(f"its folders are more than {MAX_DEPTH} deep")
        for item in self.get(PROXY, path=posixpath.join(root, folder).rstrip("/")).get("files") or ():
            name = _safe(str(item["path"]))
            if "/" in name:
                raise CliError(f"the server names the file {name!r} in a folder's list")
            path = posixpath.join(folder, name)
            if item.get("is_dir"):
                yield from self._below(root, path, depth + 1)
            else:
                url = f"{self.url}{PROXY}/{quote(posixpath.join(root, path), safe='/')}"
                yield MlflowFile(path, int(item.get("file_size") or 0), url)

    @contextmanager
    def content(self, file: MlflowFile) -> Iterator[Iterator[bytes]]:
        """The bytes of an artifact."""
        with self.client.stream("GET", file.url, headers={"Accept-Encoding": "identity"}) as response:
            if response.status_code != 200:
                response.read()
                _check(response)
                raise CliError(f"{file.path}: the server answered with status {response.status_code}")
            yield response.iter_raw(CHUNK_BYTES)


def _safe(path: str) -> str:
    """Raises CliError for a path that leads elsewhere."""
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise CliError(f"the server names the path {path[:100]!r}")
    return path


def _check(response: httpx.Response) -> None:
    """MLflow's errors are {"error_code", "message"}."""
    status = response.status_code
    if status < 300:
        return
    where = f"{response.request.url.path} was answered with status {status}"
    if status < 400:
        raise CliError(f"{where}, a redirect", remedy="check --tracking-uri")
    try:
        said = response.json()
        where = f"{said['error_code']}: {said['message']}"[:500]
    except (ValueError, KeyError, TypeError):  # a proxy's page: the status says enough
        pass
    remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a token" if status in (401, 403) else None
    transient = status in (429, 503)
    raise CliError(f"MLflow: {where}", exit_code_for(status), remedy=remedy, transient=transient)
