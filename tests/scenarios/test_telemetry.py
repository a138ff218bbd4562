"""Traces and metrics over OTLP from a real host process; the receiver is a real HTTP server that takes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.local_host import ROOT, running, wait_until
from tests.scenarios.rest import drop, versions_of

PACKAGES = ROOT / "build" / "telemetry"  # what the extra installs, in a folder of its own
DECODE = """
import json, sys
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
kind, body = sys.argv[1], sys.stdin.buffer.read()
if kind == "traces":
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                said = {each.key: each.value.string_value for each in span.attributes}
                ids = {"trace": span.trace_id.hex(), "span": span.span_id.hex(), "parent": span.parent_span_id.hex()}
                print(json.dumps({"name": span.name, **ids, **said}))
else:
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                print(json.dumps({"name": metric.name, "unit": metric.unit}))
"""


def installed() -> Path:
    """The folder with the packages of the extra `telemetry`."""
    if not (PACKAGES / "opentelemetry").exists():
        uv = Path(sys.executable).with_name("uv")
        command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(PACKAGES)]
        subprocess.run([*command, "--extra", "telemetry", "-r", str(ROOT / "pyproject.toml")], check=True)
    return PACKAGES


class Handler(BaseHTTPRequestHandler):
    """Keeps bodies by what they are."""

    bodies: dict[str, list[bytes]]

    def do_POST(self) -> None:
        kind = self.path.rpartition("/")[2]
        self.bodies.setdefault(kind, []).append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what is wrong."""


class Collector:
    """An OTLP receiver."""

    def __init__(self) -> None:
        self.handler = type("Here", (Handler,), {"bodies": {}})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)

    @contextmanager
    def listening(self) -> Iterator[Collector]:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()

    def said(self, kind: str) -> list[dict[str, Any]]:
        """What came so far: spans, or metrics."""
        environ = {**os.environ, "PYTHONPATH": str(installed())}
        lines: list[str] = []
        for body in list(self.handler.bodies.get(kind, [])):
            command = [sys.executable, "-c", DECODE, kind]
            done = subprocess.run(command, input=body, capture_output=True, check=True, env=environ)
            lines += done.stdout.decode().splitlines()
        return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_one_trace_goes_from_an_upload_over_event_and_message_to_what_reacts(tmp_path: Path) -> None:
    with Collector().listening() as collector:
        environ = {
            "SLIPWAY_TELEMETRY": "otlp",
            "SLIPWAY_UPLOAD_SETTLE_S": "0.2",
            "SLIPWAY_INSPECT_MAX_BYTES": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{installed()}",
        }
        async with running(tmp_path / "data", **environ) as host, host.client() as http:
            drop(host.data_dir, "a", {"model.yml": "name: traced\npath: model.onnx\n", "model.onnx": b"model"})
            await wait_until(lambda: versions_of(http, "traced"), 60, "the drop is registered")
            wanted = {"storage_event", "reconcile upload", "lifecycle_event", "reconcile model"}

            def whole_trace() -> list[dict[str, Any]]:
                spans = collector.said("traces")
                traces = [[span for span in spans if span["trace"] == trace] for trace in {s["trace"] for s in spans}]
                return next((trace for trace in traces if wanted <= {span["name"] for span in trace}), [])

            trace = await wait_until(whole_trace, 60, "one trace holds all steps", poll_s=1)
            by_id = {span["span"]: span for span in trace}
            (root,) = [span for span in trace if not span["parent"]]
            assert root["name"] == "storage_event"
            assert all(span["parent"] in by_id for span in trace if span is not root)
            told = {span["span"] for span in trace if span.get("slipway.subject") == "models/traced:1"}
            reactions = {span["name"] for span in trace if span["parent"] in told}
            assert reactions == {"reconcile model"}, "the message goes on with the trace of the event"
            metrics = {"slipway.events.handled", "slipway.reconcile.duration", "slipway.outbox.age"}
            await wait_until(
                lambda: metrics <= {each["name"] for each in collector.said("metrics")}, 60, "metrics come", poll_s=1
            )
            await host.stop()


async def test_without_the_extra_it_says_what_is_needed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from shared.bootstrap import control_plane; control_plane()"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SLIPWAY_TELEMETRY": "otlp", "SLIPWAY_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "install the extra `telemetry`" in done.stderr
