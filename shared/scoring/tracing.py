"""OpenTelemetry traces (extra `scoring-otel`), when OTEL_EXPORTER_OTLP_ENDPOINT or its variable for traces is set.

Names are those of the semantic conventions for HTTP servers 1.23; the parent is that of `traceparent` (W3C Trace
Context).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from shared.scoring.errors import StartError
from shared.scoring.http.messages import Response
from shared.scoring.routes import Reply

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracer:
    """Records a span for each request that scores. Spans are exported by a thread of the SDK."""

    def __init__(self) -> None:
        """Raises StartError when the extra is not installed."""
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise StartError(f"traces need the extra scoring-otel: {error}") from error
        self._provider = TracerProvider()  # takes OTEL_SERVICE_NAME, the sampler and the rest from the environment
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("slipway.scoring")
        self._propagator = TraceContextTextMapPropagator()
        self._kind = trace.SpanKind.SERVER
        self._error = trace.Status(trace.StatusCode.ERROR)

    def record(self, reply: Reply, response: Response) -> None:
        """A span from the request's last byte to its answer."""
        request = reply.request
        parent: Any = None
        if b"traceparent" in request.headers:
            names = ("traceparent", "tracestate")
            carrier = {name: request.header(name.encode()) for name in names if name.encode() in request.headers}
            parent = self._propagator.extract(carrier)
        end_ns = time.time_ns()
        span = self._tracer.start_span(
            f"{request.method.decode('latin-1')} {reply.route.name}",
            context=parent,
            kind=self._kind,
            start_time=end_ns - int(reply.elapsed_s * 1e9),
            attributes={
                "http.request.method": request.method.decode("latin-1"),
                "http.route": reply.route.name,
                "url.path": request.path.decode("latin-1"),
                "http.response.status_code": response.status,
                "slipway.request_id": request.id,
                "slipway.model": reply.model,
            },
        )
        if response.status >= 500:
            span.set_status(self._error)
        span.end(end_ns)

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


def tracer_of(environ: Mapping[str, str]) -> Tracer | None:
    """The tracer when it is configured, else None. Raises StartError."""
    return Tracer() if any(environ.get(name) for name in _VARIABLES) else None
