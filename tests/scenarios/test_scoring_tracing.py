"""Traces over OTLP, by an environment that has OpenTelemetry; the receiver is a real HTTP server that takes them."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.scenarios.local_host import ROOT
from tests.scenarios.scoring_server import MODEL, ROW, ScoringServer, serving

VENV = ROOT / "build" / "scoring-otel"
PACKAGES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
OURS = ("httptools", "numpy", "onnxruntime", "orjson", "uvloop")
DECODE = """
import sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
for resource in ExportTraceServiceRequest.FromString(sys.stdin.buffer.read()).resource_spans:
    for scope in resource.scope_spans:
        for span in scope.spans:
            found = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
            took = span.end_time_unix_nano > span.start_time_unix_nano
            print(span.name, span.trace_id.hex(), span.parent_span_id.hex(), found["http.response.status_code"],
                  found["slipway.model"], found["slipway.request_id"], took)
"""


class Receiver(BaseHTTPRequestHandler):
    """Keeps bodies."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what is wrong."""


@pytest.mark.slow
def test_requests_become_spans_under_the_callers_trace(tmp_path: Path) -> None:
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES, *OURS], check=True)
    handler = type("Here", (Receiver,), {"bodies": []})
    receiver = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    try:
        with serving(tmp_path, "--model", str(MODEL), python=str(python), **environ) as server:
            headers = {"traceparent": f"00-{trace}-{span}-01", "x-request-id": "mine"}
            server.client.post("/score", json=[ROW], headers=headers)
            server.client.post("/score", json=[], headers=headers)
            assert server.terminate() == 0, server.log()
    finally:
        receiver.shutdown()
        receiver.server_close()
    command = [str(python), "-c", DECODE]
    said = [subprocess.run(command, input=body, capture_output=True, check=True).stdout for body in handler.bodies]
    assert sorted(b"".join(said).decode().splitlines()) == [
        f"POST /score {trace} {span} 200 diabetes mine True",
        f"POST /score {trace} {span} 422 diabetes mine True",
    ]


def test_without_opentelemetry_it_says_what_is_needed(tmp_path: Path) -> None:
    server = ScoringServer(tmp_path, "--model", str(MODEL), OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert server.process.wait(30) == 3
    assert "need the extra scoring-otel" in server.log()
