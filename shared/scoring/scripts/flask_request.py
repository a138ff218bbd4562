"""The request that a @rawhttp script is given: Flask's own where the script's imports brought Flask, else ours."""

from __future__ import annotations

import io
import sys
from typing import Any

from shared.scoring.http.messages import Request
from shared.scoring.scripts.raw_http import AMLRequest, headers_of
from shared.scoring.scripts.shims import SERVER


def raw_request(request: Request) -> Any:
    """A flask.Request when azureml-inference-server-http itself is imported (scripts may test for its class), else an
    AMLRequest."""
    package = sys.modules.get(SERVER)
    flask = sys.modules.get("flask")
    if flask is None or package is None or getattr(package, "__file__", None) is None:
        return AMLRequest(request)
    return flask.Request(environ_of(request))


def environ_of(request: Request) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333)."""
    host, _, port = request.header(b"host").rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method.decode("latin-1"),
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path.decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "SERVER_NAME": host or request.header(b"host"),
        "SERVER_PORT": port if host else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": request.peer,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers_of(request).items():
        key = name.upper().replace("-", "_")
        if key != "CONTENT_LENGTH":
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ
