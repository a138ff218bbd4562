"""What entry scripts and their clients may rely on: requests, and the answers of azureml-inference-server-http 1.5.1.

The same table is run against both servers. `reference` holds what only the real one answers, with the reason why ours
differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LONG = "x" * 101
FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
JSON = {"Content-Type": "application/json"}

TEXT = """
import json, time

def init():
    pass

def run(data):
    if data == "raise":
        raise ValueError("no")
    if data == "none":
        return None
    if data == "set":
        return {1, 2}
    if data == "text":
        return "a text"
    if data == "timeout":
        raise TimeoutError
    if data == "slow":
        time.sleep(5)
    return {"got": data}
"""
HEADERS = """
def init():
    pass

def run(data, request_headers):
    return {name: request_headers.get(name) for name in ("X-Custom", "Content-Type", "x-custom")}
"""
SCHEMA = """
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

def init():
    pass

@input_schema("Inputs", StandardPythonParameterType({"a": StandardPythonParameterType(1)}))
@input_schema("GlobalParameters", StandardPythonParameterType(1.0))
@output_schema(StandardPythonParameterType({"Results": [1]}))
def run(Inputs, GlobalParameters=2.0):
    return {"Results": [Inputs, GlobalParameters]}
"""
RAW = """
from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

def init():
    pass

@rawhttp
def run(request):
    what = request.args.get("what", "")
    if what == "echo":
        return AMLResponse(request.get_data(False), 201, {"Content-Type": "image/png", "X-Many": "a, b"})
    if what == "json":
        return AMLResponse(request.get_json(), 200, json_str=True)
    if what == "file":
        return {"name": request.files["image"].filename, "bytes": len(request.files["image"].read())}
    if what == "form":
        return {"field": request.form["field"]}
    if what == "teapot":
        return AMLResponse("short and stout", 418)
    if what == "broken":
        return AMLResponse({"oops": True}, 503, json_str=True)
    if what == "nothing":
        return AMLResponse(None, 200)
    return {"method": request.method, "path": request.path, "many": request.args.getlist("many"),
            "header": request.headers.get("x-custom")}
"""
SCRIPTS = {"text": TEXT, "headers": HEADERS, "schema": SCHEMA, "raw": RAW}
ENVIRON = {"text": {"SCORING_TIMEOUT_MS": "400", "AML_CORS_ORIGINS": "https://a.example, https://b.example"}}
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    b'--b\r\nContent-Disposition: form-data; name="image"; filename="cat.png"\r\nContent-Type: image/png\r\n\r\n'
    b"\x89PNG\r\n\x00\r\n--b--\r\n"
)


@dataclass(frozen=True)
class Case:
    """A request to a script, and its answer. `headers` are those that matter; None: the header is not there."""

    script: str
    method: str
    target: str
    body: bytes = b""
    sent: dict[str, str] = field(default_factory=dict)
    status: int = 200
    answer: Any = None  # as JSON; bytes: the body itself
    headers: dict[str, str | None] = field(default_factory=dict)
    reference: dict[str, Any] = field(default_factory=dict)  # status, answer, headers of the real one where they differ
    why: str = ""


def message(text: str) -> dict[str, str]:
    """The body of every error."""
    return {"message": text}


_NOT_FAILED = {"x-ms-run-function-failed": "False"}
_RAN_AND_FAILED = {"x-ms-run-function-failed": "True"}
CASES = {
    # --- text ---
    "health": Case("text", "GET", "/", answer=b"Healthy"),
    "body as text": Case("text", "POST", "/score", b"\xc3\xa9", JSON, answer={"got": "é"}, headers=_NOT_FAILED),
    "any content type": Case("text", "POST", "/score", b"a", {"Content-Type": "text/plain"}, answer={"got": "a"}),
    "no content type": Case("text", "POST", "/score", b"a", answer={"got": "a"}),
    "a form's content type": Case(
        "text", "POST", "/score", b"a", {"Content-Type": "application/x-www-form-urlencoded"}, answer={"got": "a"},
        reference={"answer": {"got": ""}},
        why="Flask takes the body for a form, and the script gets nothing; no script can rely on that",
    ),
    "empty body": Case("text", "POST", "/score", answer={"got": ""}),
    "not UTF-8": Case(
        "text", "POST", "/score", b"\xff", JSON, 400,
        message(
            "Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
        ),
        headers=_NOT_FAILED,
    ),
    "query": Case(
        "text", "GET", "/score?a=1&b=[1,2]&c=a&d=null&e=1&e=x",
        answer={"got": '{"a": 1, "b": [1, 2], "c": "a", "d": null, "e": [1, "x"]}'},
    ),
    "no query": Case("text", "GET", "/score", answer={"got": "{}"}),
    "returns None": Case("text", "POST", "/score", b"none", answer={}),
    "returns a text": Case("text", "POST", "/score", b"text", answer="a text"),
    "returns no JSON": Case(
        "text", "POST", "/score", b"set", status=500, answer=message(INTERNAL), headers=_NOT_FAILED
    ),
    "raises": Case("text", "POST", "/score", b"raise", status=500, answer=message(FAILED), headers=_RAN_AND_FAILED),
    "raises TimeoutError": Case(
        "text", "POST", "/score", b"timeout", status=500, answer=message(FAILED), headers=_RAN_AND_FAILED,
        reference={"answer": message("Scoring timeout after 400 ms")},
        why="the real one can't tell a script's own TimeoutError from its own",
    ),
    "takes too long": Case(
        "text", "POST", "/score", b"slow", status=500, answer=message("Scoring timeout after 400 ms"),
        headers=_RAN_AND_FAILED,
    ),
    "options": Case("text", "OPTIONS", "/score", answer=b"", headers=_NOT_FAILED),
    "put": Case(
        "text", "PUT", "/score", b"a", status=405, answer=message("The method is not allowed for the requested URL.")
    ),
    "post to health": Case(
        "text", "POST", "/", status=405, answer=message("The method is not allowed for the requested URL."),
    ),
    "no such route": Case(
        "text", "GET", "/nothing", status=404, answer=message("there is nothing at /nothing"),
        reference={
            "answer": message(
                "The requested URL was not found on the server. If you entered the URL manually please check your "
                "spelling and try again."
            )
        },
        why="the path says more to who has no browser",
    ),
    # --- ids ---
    "request id": Case("text", "POST", "/score", b"a", {"x-request-id": "r"}, answer={"got": "a"}, headers={
        "x-request-id": "r", "x-ms-request-id": "r", "x-ms-client-request-id": None}),
    "client id": Case("text", "POST", "/score", b"a", {"x-request-id": "r", "x-ms-client-request-id": "c"},
        answer={"got": "a"}, headers={"x-request-id": "r", "x-ms-request-id": "c", "x-ms-client-request-id": "c"}),
    "legacy id": Case("text", "POST", "/score", b"a", {"x-ms-request-id": "l"}, answer={"got": "a"}, headers={
        "x-ms-request-id": "l", "x-ms-client-request-id": "l"}),
    "both ids": Case("text", "POST", "/score", b"a", {"x-ms-request-id": "l", "x-ms-client-request-id": "c"},
        answer={"got": "a"}, headers={"x-ms-request-id": "l", "x-ms-client-request-id": "c"}),
    "id of 100": Case("text", "POST", "/score", b"a", {"x-request-id": LONG[1:]}, answer={"got": "a"}, headers={
        "x-request-id": LONG[1:]}),
    "id of 101": Case("text", "POST", "/score", b"a", {"x-request-id": LONG}, status=431,
        answer=message("x-request-id must not exceed 100 characters"), headers={"x-request-id": None}),
    "client id of 101": Case("text", "POST", "/score", b"a", {"x-ms-client-request-id": LONG}, status=431,
        answer=message("x-ms-request-id and x-ms-client-request-id must not exceed 100 characters"),
        headers={"x-ms-client-request-id": None}),
    "legacy id of 101": Case("text", "POST", "/score", b"a", {"x-ms-request-id": LONG}, status=431,
        answer=message("x-ms-request-id and x-ms-client-request-id must not exceed 100 characters"),
        headers={"x-ms-request-id": None}),
    "trace id": Case("text", "POST", "/score", b"a", {"TraceId": "t"}, answer={"got": "a"}, headers={"TraceId": "t"}),
    # --- CORS ---
    "allowed origin": Case("text", "POST", "/score", b"a", {"Origin": "https://b.example"}, answer={"got": "a"},
        headers={"Access-Control-Allow-Origin": "https://b.example"}),
    "other origin": Case("text", "POST", "/score", b"a", {"Origin": "https://c.example"}, answer={"got": "a"},
        headers={"Access-Control-Allow-Origin": None}),
    "preflight": Case("text", "OPTIONS", "/score", sent={"Origin": "https://a.example",
        "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}, answer=b"",
        headers={"Access-Control-Allow-Origin": "https://a.example", "Access-Control-Allow-Methods": "GET, POST",
                 "Access-Control-Allow-Headers": "content-type"}),
    # --- swagger of an undecorated script ---
    "swagger 4": Case("text", "GET", "/swagger.json?version=4", status=404, answer=message(
        "Swagger version [4] is not valid. Supported versions: [2, 3, 3.1].")),
    # --- request_headers ---
    "headers": Case("headers", "POST", "/score", b"a", {"x-custom": "v", **JSON}, answer={
        "X-Custom": "v", "Content-Type": "application/json", "x-custom": None}),
    # --- @input_schema ---
    "by name": Case("schema", "POST", "/score", b'{"Inputs": {"a": 3}, "GlobalParameters": 1}', JSON, answer={
        "Results": [{"a": 3}, 1]}),
    "default": Case("schema", "POST", "/score", b'{"Inputs": {"a": 3}}', JSON, answer={"Results": [{"a": 3}, 2.0]}),
    "JSON with a charset": Case("schema", "POST", "/score", b'{"Inputs": {"a": 3}}', {
        "Content-Type": "Application/JSON; charset=utf-8"}, answer={"Results": [{"a": 3}, 2.0]}),
    "a kind of JSON": Case("schema", "POST", "/score", b'{"Inputs": {"a": 3}}', {
        "Content-Type": "application/vnd.me+json"}, answer={"Results": [{"a": 3}, 2.0]}),
    "more keys": Case("schema", "POST", "/score", b'{"Inputs": {"a": 3}, "b": 1}', JSON, answer={
        "Results": [{"a": 3}, 2.0]}),
    "not JSON's type": Case("schema", "POST", "/score", b"{}", {"Content-Type": "text/plain"}, 415, message(
        "Expects Content-Type to be application/json")),
    "empty JSON": Case("schema", "POST", "/score", b"", JSON, 400, message(
        "POST body is empty. Expecting a JSON dictionary.")),
    "not JSON": Case("schema", "POST", "/score", b"{", JSON, 400, message(
        "POST body could not be decoded as JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)")),
    "no object": Case("schema", "POST", "/score", b"[1]", JSON, 400, message("POST body should be a JSON dictionary.")),
    "missing": Case("schema", "POST", "/score", b'{"GlobalParameters": 1}', JSON, 400, message(
        "A value is not provided for the 'Inputs' parameter.")),
    "wrong type": Case("schema", "POST", "/score", b'{"Inputs": 3}', JSON, 500, message(FAILED), _RAN_AND_FAILED),
    "schema by query": Case("schema", "GET", '/score?Inputs={"a":4}&GlobalParameters=5', answer={
        "Results": [{"a": 4}, 5]}),
    # --- @rawhttp ---
    "raw": Case("raw", "GET", "/score?many=1&many=2", sent={"X-Custom": "h"}, answer={
        "method": "GET", "path": "/score", "many": ["1", "2"], "header": "h"}),
    "raw options": Case("raw", "OPTIONS", "/score", answer={
        "method": "OPTIONS", "path": "/score", "many": [], "header": None}),
    "raw echo": Case("raw", "POST", "/score?what=echo", b"\x00\xff", status=201, answer=b"\x00\xff", headers={
        "Content-Type": "image/png", "X-Many": "a, b", "x-ms-run-function-failed": "False"}),
    "raw JSON": Case("raw", "POST", "/score?what=json", b'{"a": 1}', JSON, answer={"a": 1}, headers={
        "Content-Type": "application/json"}),
    "raw file": Case("raw", "POST", "/score?what=file", MULTIPART, {"Content-Type": "multipart/form-data; boundary=b"},
        answer={"name": "cat.png", "bytes": 7}),
    "raw form": Case("raw", "POST", "/score?what=form", MULTIPART, {"Content-Type": "multipart/form-data; boundary=b"},
        answer={"field": "value"}),
    "raw text": Case("raw", "POST", "/score?what=teapot", status=418, answer=b"short and stout", headers={
        "Content-Type": "text/html; charset=utf-8", "x-ms-run-function-failed": "False"}),
    "raw failure": Case(
        "raw", "POST", "/score?what=broken", status=503, answer={"oops": True}, headers=_RAN_AND_FAILED
    ),
    "raw nothing": Case("raw", "POST", "/score?what=nothing", answer={}),
}  # fmt: skip
