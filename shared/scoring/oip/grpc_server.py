"""The Open Inference Protocol v2 over gRPC (extra `scoring-grpc`): the same models, checks and batches as over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc

from shared.scoring.errors import InternalError, NotReady, RequestError, StartError, TooManyRequests
from shared.scoring.http.messages import Request
from shared.scoring.inputs.forms import load
from shared.scoring.logs import LOGGER
from shared.scoring.models.onnx_model import OnnxModel
from shared.scoring.models.routes import OnnxRoutes
from shared.scoring.models.store import ModelStore
from shared.scoring.oip import infer
from shared.scoring.oip.grpc_messages import MESSAGES, SERVICE
from shared.scoring.oip.grpc_tensors import document_of, response_of
from shared.scoring.oip.routes import EXTENSIONS, described
from shared.scoring.problems import with_faults
from shared.scoring.request_ids import new_id
from shared.scoring.service import Service

THREADS = 8  # each holds one request while the loop runs its batch
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
Models = Callable[[], tuple[ModelStore, OnnxRoutes] | None]  # what is served now; None: no models


class GrpcServer:
    """Listens on its own port. `models` is asked for every request, because they may be loaded again."""

    def __init__(self, host: str, port: int, service: Service, models: Models, max_bytes: int) -> None:
        """Raises StartError when it can't listen."""
        self._service = service
        self._models = models
        self._loop = asyncio.get_running_loop()
        options = [("grpc.max_receive_message_length", max_bytes), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="grpc"), options=options)
        calls = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }
        handlers = {name: self._handler(name, call) for name, call in calls.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            self.port: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as error:
            raise StartError(f"can't listen on {host} port {port} for gRPC: {error}") from error
        self._server.start()
        LOGGER.info("listening for gRPC on port %d", self.port)

    async def stop(self, timeout_s: float) -> None:
        """Accept nothing new, and let calls end within timeout_s."""
        await asyncio.to_thread(self._server.stop(timeout_s).wait)

    def _handler(self, name: str, call: Callable[[Any, Any], Any]) -> Any:
        def handle(message: Any, context: Any) -> Any:
            began = time.perf_counter()
            error: RequestError | None = None
            try:
                return call(message, context)
            except RequestError as raised:
                error = raised
            except Exception:  # noqa: BLE001 - the boundary, as Reply.attempt is of HTTP
                LOGGER.exception("answering %s failed", name)
                error = InternalError("An unexpected internal error occurred. Check the logs for more info.")
            finally:
                status = error.status if error is not None else 200
                seconds = time.perf_counter() - began
                self._loop.call_soon_threadsafe(self._service.metrics.count, f"grpc {name}", status, seconds)
            context.abort(_CODES.get(error.status, grpc.StatusCode.INTERNAL), with_faults(error))

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=MESSAGES[f"{name}Request"].FromString,
            response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
        )

    def _serving(self) -> tuple[ModelStore, OnnxRoutes]:
        models = self._models()
        if models is None or not self._service.ready:
            raise NotReady("no model is served yet")
        return models

    def _live(self, message: Any, context: Any) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    def _ready(self, message: Any, context: Any) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._service.ready and not self._service.draining)

    def _model_ready(self, message: Any, context: Any) -> Any:
        self._serving()[0].get(message.name, message.version)
        return MESSAGES["ModelReadyResponse"](ready=True)

    def _server_metadata(self, message: Any, context: Any) -> Any:
        return MESSAGES["ServerMetadataResponse"](name="slipway", version="2", extensions=EXTENSIONS)

    def _model_metadata(self, message: Any, context: Any) -> Any:
        store, _ = self._serving()
        model = store.get(message.name, message.version)
        return MESSAGES["ModelMetadataResponse"](
            name=model.name,
            versions=store.versions(model.name),
            platform="onnxruntime_onnx",
            inputs=[described(each) for each in model.signature.inputs],
            outputs=[described(each) for each in model.signature.outputs],
        )

    def _infer(self, message: Any, context: Any) -> Any:
        request = Request(b"POST", b"/ModelInfer", _headers(context))
        request.id = message.id or new_id()
        self._service.access.check(request)
        store, onnx = self._serving()
        model = store.get(message.model_name, message.model_version)
        document, raw = document_of(message)
        inference = infer.read(document, raw, model)
        outputs = self._run(model, onnx, inference, request)
        body, head_bytes = infer.write(inference, outputs, model)
        head, tail = (body, b"") if head_bytes is None else (body[:head_bytes], body[head_bytes:])
        return response_of(load(head), tail)

    def _run(self, model: OnnxModel, onnx: OnnxRoutes, inference: infer.Inference, request: Request) -> Any:
        future: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._submit, model, onnx, inference, request, future)
        return future.result()

    def _submit(
        self, model: OnnxModel, onnx: OnnxRoutes, inference: infer.Inference, request: Request, future: Future[Any]
    ) -> None:
        if not self._service.may_score():
            future.set_exception(TooManyRequests("too many requests are scored already"))
            return
        self._service.in_flight += 1
        offer = onnx.offers.get((model.name, model.version))

        def done(outcome: Any, seconds: float) -> None:
            self._service.in_flight -= 1
            if isinstance(outcome, RequestError):
                future.set_exception(outcome)
                return
            if offer is not None:
                offer(inference.feeds, outcome, request)
            future.set_result(outcome)

        onnx.batchers[model.name, model.version].submit(inference.feeds, done)


def _headers(context: Any) -> list[tuple[bytes, bytes]]:
    pairs = context.invocation_metadata()
    return [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in pairs]
