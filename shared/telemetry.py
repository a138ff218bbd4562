"""Traces and metrics of the control plane: nothing, and at no cost, until `use` gives it where they go.

Names of spans and metrics follow OpenTelemetry's conventions; the trace travels as W3C Trace Context (`traceparent`) in
work messages and in events, so that a trace goes from an upload over events and messages to what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]

EVENTS_HANDLED = "slipway.events.handled"  # events that came to a function, by type
RECONCILE_DURATION = "slipway.reconcile.duration"  # seconds of one look at a resource, by kind and outcome
OUTBOX_AGE = "slipway.outbox.age"  # seconds since the oldest event was committed that is still owed
POISON_MESSAGES = "slipway.poison.messages"  # messages that the host gave up on
REQUEST_UNITS = "slipway.cosmos.request_units"  # that a request to Cosmos DB took, by its HTTP status
TRACEPARENT = "traceparent"  # its name in messages and in the data of events
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Telemetry(Protocol):
    """Where spans and measurements go."""

    def span(self, name: str, parent: str, attributes: Attributes) -> AbstractContextManager[None]:
        """A span for as long as the context lasts, below `parent` ("": of a new trace, or of the span around it)."""
        ...

    def traceparent(self) -> str:
        """The present span as W3C Trace Context; "" outside of any."""
        ...

    def count(self, name: str, attributes: Attributes) -> None:
        """One more of what is counted."""
        ...

    def record(self, name: str, value: float, attributes: Attributes) -> None:
        """A measured value, in the metric's unit."""
        ...


_used: Telemetry | None = None


def use(telemetry: Telemetry | None) -> None:
    """From now on spans and measurements of this process go there; None: nowhere."""
    global _used
    _used = telemetry


def span(name: str, parent: str = "", **attributes: str | int) -> AbstractContextManager[None]:
    """See Telemetry. A parent that is not W3C Trace Context counts as none: it came from outside."""
    if _used is None:
        return nullcontext()
    return _used.span(name, parent if is_traceparent(parent) else "", attributes)


def traceparent() -> str:
    """See Telemetry; "" where nothing is traced."""
    return "" if _used is None else _used.traceparent()


def count(name: str, **attributes: str | int) -> None:
    """See Telemetry."""
    if _used is not None:
        _used.count(name, attributes)


def record(name: str, value: float, **attributes: str | int) -> None:
    """See Telemetry."""
    if _used is not None:
        _used.record(name, value, attributes)


def is_traceparent(text: str) -> bool:
    """Whether it is a `traceparent` of version 00 (W3C Trace Context, section 3.2)."""
    return _TRACEPARENT.fullmatch(text) is not None
