"""An Event in its two wire forms: the Event Grid schema and CloudEvents 1.0 (JSON format, structured mode)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.errors import BadRequest
from shared.resources.events import Event
from shared.telemetry import TRACEPARENT

EVENT_GRID_CONTENT_TYPE = "application/json; charset=utf-8"
CLOUD_EVENTS_CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds and a Z, e.g. 2026-11-23T22:37:00.000000Z."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_event_grid(event: Event) -> dict[str, Any]:
    """The Event Grid schema (metadataVersion "1")."""
    return {
        "id": event.id,
        "topic": event.topic,
        "subject": event.subject,
        "eventType": event.type,
        "eventTime": format_time(event.time),
        "data": event.data,
        "dataVersion": event.data_version,
        "metadataVersion": "1",
    }


def to_cloud_event(event: Event) -> dict[str, Any]:
    """CloudEvents 1.0: the topic becomes the source, "slipway" where there is none (source must not be empty); the
    trace becomes the attribute of the extension Distributed Tracing."""
    traceparent = {TRACEPARENT: event.traceparent} if event.traceparent else {}
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.topic or "slipway",
        "subject": event.subject,
        "type": event.type,
        "time": format_time(event.time),
        "datacontenttype": "application/json",
        "data": {name: value for name, value in event.data.items() if name not in traceparent},
        **traceparent,
    }


def from_wire(document: dict[str, Any]) -> Event:
    """The event from either form. Raises BadRequest when a required attribute is missing or of a wrong type."""
    cloud = "specversion" in document
    names = ("id", "type", "source", "time") if cloud else ("id", "eventType", "subject", "eventTime")
    missing = [name for name in names if not isinstance(document.get(name), str)]
    if missing:
        form = "CloudEvents 1.0" if cloud else "Event Grid"
        raise BadRequest(f"the event is not in the {form} form: {', '.join(missing)} missing or not a string")
    try:
        time = datetime.fromisoformat(document["time" if cloud else "eventTime"])
    except ValueError as error:
        raise BadRequest(f"the event's time is not RFC 3339: {error}") from error
    data = document.get("data")
    if cloud and isinstance(data, dict) and TRACEPARENT in document:
        data = {**data, TRACEPARENT: document[TRACEPARENT]}
    return Event(
        id=document["id"],
        type=document["type" if cloud else "eventType"],
        subject=str(document.get("subject") or ""),
        time=time if time.tzinfo else time.replace(tzinfo=UTC),
        data=data if isinstance(data, dict) else {"value": data} if data is not None else {},
        topic=str(document.get("source" if cloud else "topic") or ""),
        data_version=str(document.get("dataVersion") or "1"),
    )
