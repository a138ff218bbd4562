"""Routes of the Open Inference Protocol v2 over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from shared.scoring.errors import NotFound, RequestError
from shared.scoring.http.messages import JSON, Headers, Request, Response
from shared.scoring.inputs.bodies import plain_body
from shared.scoring.inputs.forms import load
from shared.scoring.models.onnx_model import OnnxModel, Outputs
from shared.scoring.models.routes import OnnxRoutes
from shared.scoring.models.signature import Tensor
from shared.scoring.models.store import ModelStore
from shared.scoring.oip import binary, infer
from shared.scoring.problems import oip
from shared.scoring.routes import Answer, Reply, Route

EXTENSIONS = ["binary_tensor_data"]
_MODEL = re.compile(rb"/v2/models/([^/]+)(?:/versions/([^/]+))?(/ready|/infer)?")


class OipRoutes:
    """Of all loaded models. `family` finds the route of a path under /v2/models."""

    def __init__(self, store: ModelStore, onnx: OnnxRoutes, max_body_bytes: int) -> None:
        self._store = store
        self._onnx = onnx
        self._max_body_bytes = max_body_bytes
        self._known: dict[bytes, Route] = {}
        for model in store.all:
            self._add(model, f"/v2/models/{model.name}/versions/{model.version}")
            if store.get(model.name) is model:
                self._add(model, f"/v2/models/{model.name}")

    def _add(self, model: OnnxModel, path: str) -> None:
        self._known[path.encode()] = Route("/v2/models", {b"GET": _gives(self._metadata(model))}, oip)
        ready = {"name": model.name, "ready": True}
        self._known[f"{path}/ready".encode()] = Route("/v2/models/ready", {b"GET": _gives(ready)}, oip)
        self._known[f"{path}/infer".encode()] = Route("/v2/models/infer", {b"POST": self._infer(model)}, oip, True)

    def server(self) -> Route:
        """GET /v2: name, version and extensions of the server."""
        return Route("/v2", {b"GET": _gives({"name": "slipway", "version": "2", "extensions": EXTENSIONS})}, oip)

    def family(self, path: bytes) -> Route | None:
        """The route of a path; for a model or version that is not there one that says which are."""
        route = self._known.get(path)
        if route is not None or not path.startswith(b"/v2/models/"):
            return route
        match = _MODEL.fullmatch(path)
        if match is None:
            return None
        name, version = match[1].decode("latin-1"), (match[2] or b"").decode("latin-1")

        def answer(request: Request, reply: Reply) -> None:
            self._store.get(name, version)
            raise NotFound(f"there is nothing at {path.decode('latin-1')}")

        return Route("/v2/models", {b"GET": answer, b"POST": answer}, oip)

    def _metadata(self, model: OnnxModel) -> dict[str, Any]:
        return {
            "name": model.name,
            "versions": self._store.versions(model.name),
            "platform": "onnxruntime_onnx",
            "inputs": [described(each) for each in model.signature.inputs],
            "outputs": [described(each) for each in model.signature.outputs],
        }

    def _infer(self, model: OnnxModel) -> Answer:
        batcher = self._onnx.batchers[model.name, model.version]
        offer = self._onnx.offers.get((model.name, model.version))

        def answer(request: Request, reply: Reply) -> None:
            reply.model = model.name
            head, raw = binary.split(request, plain_body(request, self._max_body_bytes))
            inference = infer.read(load(head), raw, model)

            def send(outcome: Outputs | RequestError, seconds: float) -> None:
                if isinstance(outcome, RequestError):
                    raise outcome
                body, head_bytes = infer.write(inference, outcome, model)
                length: Headers = ((b"Inference-Header-Content-Length", b"%d" % (head_bytes or 0)),)
                kind = JSON if head_bytes is None else b"application/octet-stream"
                reply.send(Response(200, body, kind, length if head_bytes is not None else ()))
                if offer is not None:
                    offer(inference.feeds, outcome, request)

            batcher.submit(inference.feeds, lambda outcome, seconds: reply.attempt(send, outcome, seconds))

        return answer


def described(each: Tensor) -> dict[str, Any]:
    """Name, datatype and shape; a size of -1 is any."""
    return {
        "name": each.name,
        "datatype": each.datatype,
        "shape": [-1 if size is None else size for size in each.shape],
    }


def _gives(document: Any) -> Callable[[Request, Reply], None]:
    body = orjson.dumps(document)

    def answer(request: Request, reply: Reply) -> None:
        reply.send(Response(200, body))

    return answer
