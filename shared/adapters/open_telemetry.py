"""Telemetry by OpenTelemetry (extra `telemetry`): to Application Insights or over OTLP. Imported when configured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from shared.errors import NotSupported
from shared.telemetry import OUTBOX_AGE, RECONCILE_DURATION, Attributes

SERVICE = "slipway"
UNITS = {RECONCILE_DURATION: "s", OUTBOX_AGE: "s"}
GAUGES = {OUTBOX_AGE}
INSTRUMENTED = (
    *("azure_sdk", "django", "fastapi", "flask", "httpx", "httpx2"),
    *("psycopg2", "requests", "urllib", "urllib3"),
)


class OpenTelemetry:
    """Spans and metrics of the providers that are set for this process."""

    def __init__(self) -> None:
        from opentelemetry import metrics, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = trace.get_tracer(SERVICE)
        self._meter = metrics.get_meter(SERVICE)
        self._propagator = TraceContextTextMapPropagator()
        self._error = trace.Status(trace.StatusCode.ERROR)
        self._instruments: dict[str, Any] = {}

    @contextmanager
    def span(self, name: str, parent: str, attributes: Attributes) -> Iterator[None]:
        """See Telemetry. An exception that leaves the context marks the span; its text may hold anything, so only its
        type is kept."""
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(
            name, context=context, attributes=dict(attributes), record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(self._error)
                raise

    def traceparent(self) -> str:
        """See Telemetry."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get("traceparent", "")

    def count(self, name: str, attributes: Attributes) -> None:
        """See Telemetry."""
        self._instrument(name, "create_counter").add(1, dict(attributes))

    def record(self, name: str, value: float, attributes: Attributes) -> None:
        """See Telemetry."""
        if name in GAUGES:
            self._instrument(name, "create_gauge").set(value, dict(attributes))
        else:
            self._instrument(name, "create_histogram").record(value, dict(attributes))

    def _instrument(self, name: str, make: str) -> Any:
        if name not in self._instruments:
            self._instruments[name] = getattr(self._meter, make)(name, unit=UNITS.get(name, "1"))
        return self._instruments[name]


def open_telemetry(kind: Literal["azure-monitor", "otlp"], managed_identity_client_id: str = "") -> OpenTelemetry:
    """Set this process's providers. azure-monitor: APPLICATIONINSIGHTS_CONNECTION_STRING says where, an identity signs
    in; otlp: the OTEL_EXPORTER_OTLP_... variables do. Raises NotSupported when the extra is not installed."""
    try:
        if kind == "azure-monitor":
            _to_azure_monitor(managed_identity_client_id)
        else:
            _to_otlp()
    except ImportError as error:
        remedy = "install the extra `telemetry` where Slipway runs, or unset SLIPWAY_TELEMETRY"
        raise NotSupported(f"SLIPWAY_TELEMETRY is {kind}: {error}", remedy=remedy) from error
    return OpenTelemetry()


def _to_azure_monitor(managed_identity_client_id: str) -> None:
    from azure.identity import DefaultAzureCredential
    from azure.monitor.opentelemetry import configure_azure_monitor

    # The host sends logs by itself. The argument disable_logging is ignored, the variable is not.
    os.environ.setdefault("OTEL_LOGS_EXPORTER", "none")
    # The default, five traces a second in each process, drops the first ones after a start, and parts of others.
    os.environ.setdefault("OTEL_TRACES_SAMPLER", "always_on")
    # Instrumented SDKs would make a span of every poll; live metrics and counters of the machine are the host's.
    configure_azure_monitor(
        credential=DefaultAzureCredential(managed_identity_client_id=managed_identity_client_id or None),
        enable_live_metrics=False,
        enable_performance_counters=False,
        instrumentation_options={name: {"enabled": False} for name in INSTRUMENTED},
    )


def _to_otlp() -> None:
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": SERVICE})  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(spans)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))
