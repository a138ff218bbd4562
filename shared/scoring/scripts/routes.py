"""/score of an entry script (azureml-inference-server-http 1.5.1, server/routes.py)."""

from __future__ import annotations

import json
from typing import Any

from shared.scoring.errors import MethodNotAllowed, RequestError, ScriptFailed
from shared.scoring.http.messages import JSON, Request, Response, check_header
from shared.scoring.logs import LOGGER
from shared.scoring.metrics import Metrics
from shared.scoring.problems import FAILED, NOT_FAILED, azure
from shared.scoring.routes import Answer, Reply, Route
from shared.scoring.scripts.arguments import arguments_of
from shared.scoring.scripts.entry_script import EntryScript
from shared.scoring.scripts.monitoring import REQUEST_ID
from shared.scoring.scripts.workers import Workers

_OWN = frozenset({"content-length", "connection", "transfer-encoding", "date", "keep-alive"})  # the protocol's


class ScriptRoute:
    """Calls run() for every request."""

    def __init__(self, script: EntryScript, workers: Workers, metrics: Metrics, max_body_bytes: int) -> None:
        self._script = script
        self._workers = workers
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    def route(self) -> Route:
        """GET, POST and OPTIONS of /score."""
        methods: dict[bytes, Answer] = {method: self._answer for method in (b"GET", b"POST", b"OPTIONS")}
        return Route("/score", methods, azure, scores=True)

    def _answer(self, request: Request, reply: Reply) -> None:
        try:
            arguments = arguments_of(self._script, request, self._max_body_bytes)
        except MethodNotAllowed:  # OPTIONS of a script that is not raw
            reply.send(Response(200, b"", b"text/html; charset=utf-8", (NOT_FAILED,)))
            return
        run = self._script.run

        def called() -> Response:
            REQUEST_ID.set(request.id)
            return _response_of(run(**arguments))

        self._workers.submit(
            called,
            lambda response, error, elapsed_ms: reply.attempt(self._finish, reply, response, error, elapsed_ms),
        )

    def _finish(self, reply: Reply, response: Response | None, error: BaseException | None, elapsed_ms: float) -> None:
        self._metrics.run_seconds.observe(elapsed_ms / 1000)
        if isinstance(error, _NotSendable) or (error is None and response is None):
            raise error or _NotSendable("run() gave nothing")
        if response is None:
            reply.send(self._failed(reply, error))
            return
        response.headers = (*response.headers, (b"x-ms-run-fn-exec-ms", b"%.3f" % elapsed_ms))
        reply.send(response)

    def _failed(self, reply: Reply, error: BaseException | None) -> Response:
        LOGGER.error("run() failed", exc_info=error, extra={"request_id": reply.request.id})
        if not isinstance(error, RequestError):
            error = ScriptFailed("An unexpected error occurred in scoring script. Check the logs for more info.")
        return azure(error, failed=True)


class _NotSendable(Exception):
    """What run() returned is neither JSON nor a response: an internal error, as Azure ML answers it."""


def _response_of(output: Any) -> Response:
    """In the script's thread: large results must not hold the loop. Raises _NotSendable."""
    if hasattr(output, "status_code") and hasattr(output, "get_data") and hasattr(output, "headers"):
        return _given_response(output)
    try:
        body = json.dumps({} if output is None else output).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _NotSendable(f"run() returned what is not JSON: {error}") from error
    return Response(200, body, JSON, (NOT_FAILED,))


def _given_response(output: Any) -> Response:
    """An AMLResponse or a flask.Response. Status codes from 500 on are marked as failed."""
    headers: list[tuple[bytes, bytes]] = []
    content_type = b""
    failed = output.status_code >= 500
    items = output.headers.items() if hasattr(output.headers, "items") else output.headers
    for name, value in items:
        folded = str(name).lower()
        encoded = str(value).encode("latin-1", "replace")
        if folded == "content-type":
            content_type = encoded
        elif folded not in _OWN and not (failed and folded == "x-ms-run-function-failed"):
            headers.append((str(name).encode("latin-1", "replace"), encoded))
    if failed:
        headers.append(FAILED)
    try:
        for name, value in (*headers, (b"Content-Type", content_type)):
            check_header(name, value)
    except RequestError as error:
        raise _NotSendable(str(error)) from error
    if not 200 <= output.status_code <= 999:
        raise _NotSendable(f"run() returned the status {output.status_code}")
    return Response(output.status_code, output.get_data(), content_type, tuple(headers))
