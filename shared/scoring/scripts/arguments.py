"""From a request to the arguments of run() (azureml-inference-server-http 1.5.1, server/input_parsers.py)."""

from __future__ import annotations

import inspect
import json
from typing import Any

from shared.scoring.errors import BadRequest, MethodNotAllowed, UnsupportedMediaType
from shared.scoring.http.messages import Request
from shared.scoring.inputs.bodies import plain_body, query_document
from shared.scoring.scripts.entry_script import EntryScript
from shared.scoring.scripts.flask_request import raw_request
from shared.scoring.scripts.raw_http import headers_of, is_json


def arguments_of(script: EntryScript, request: Request, max_bytes: int) -> dict[str, Any]:
    """Arguments by name. Raises BadRequest or UnsupportedMediaType with the messages that Azure ML's clients know."""
    if b"content-encoding" in request.headers and script.mode != "raw":
        request.body = plain_body(request, max_bytes)
    if script.mode == "raw":
        arguments = {script.parameters[0].name: raw_request(request)}
    elif request.method not in (b"GET", b"POST"):
        raise MethodNotAllowed("Method not allowed")
    elif script.mode == "text":
        arguments = {script.parameters[0].name: _text(request)}
    else:
        arguments = _objects(script, _document(request))
    if script.takes_headers:
        arguments["request_headers"] = headers_of(request)
    return arguments


def _text(request: Request) -> str:
    if request.method == b"GET":
        return json.dumps(query_document(request))
    try:
        return str(request.body, "utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"Input cannot be decoded as UTF-8: {error}") from None


def _document(request: Request) -> dict[str, Any]:
    if request.method == b"GET":
        return query_document(request)
    if not is_json(request):
        raise UnsupportedMediaType("Expects Content-Type to be application/json")
    if not request.body:
        raise BadRequest("POST body is empty. Expecting a JSON dictionary.")
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"POST body could not be decoded as JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest("POST body should be a JSON dictionary.")
    return document


def _objects(script: EntryScript, document: dict[str, Any]) -> dict[str, Any]:
    arguments = {}
    for parameter in script.parameters:
        value = document.get(parameter.name, parameter.default)
        if value is inspect.Parameter.empty:
            raise BadRequest(f"A value is not provided for the {parameter.name!r} parameter.")
        arguments[parameter.name] = value
    return arguments
