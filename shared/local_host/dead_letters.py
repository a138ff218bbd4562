"""Dead-letter files: DIRECTORY/SUBSCRIPTION/YYYY/M/D/H/GUID.json, as Event Grid writes blobs.

Source: Microsoft Learn, "Event Grid message delivery and retry", sections "Dead-letter events" and "Delivery event
formats" (property names are lower-case in CloudEvents).
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from pathlib import Path
from typing import Any

from shared.adapters.local.event_grid import Delivery
from shared.events.wire import format_time, from_wire, to_cloud_event

_NAMESPACE = uuid.UUID("b1a2f4ce-6d3c-4b0c-93f8-5f1f4f0a9e11")


async def write_dead_letter(directory: Path, subscription: str, delivery: Delivery, *, cloud_events: bool) -> Path:
    """The file, on disk when it returns: a JSON array with the event and why it was given up
    (`delivery.dead_letter_reason`). Writing the same again replaces the file. Raises OSError."""
    written_at = delivery.last_attempt_at or delivery.published_at
    guid = uuid.uuid5(_NAMESPACE, f"{subscription}/{delivery.sequence}/{delivery.event_id}/{delivery.published_at}")
    hour = f"{written_at:%Y}/{written_at.month}/{written_at.day}/{written_at.hour}"
    path = directory / subscription / hour / f"{guid}.json"
    body = json.dumps([_record(delivery, cloud_events)], ensure_ascii=False, indent=2).encode()
    await asyncio.to_thread(_write_atomically, path, body)
    return path


def _record(delivery: Delivery, cloud_events: bool) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(delivery.document)
    last = delivery.last_attempt_at
    why: dict[str, Any] = {
        "deadLetterReason": delivery.dead_letter_reason,
        "deliveryAttempts": delivery.attempts,
        "lastDeliveryOutcome": delivery.last_outcome,
        "publishTime": format_time(delivery.published_at),
        "lastDeliveryAttemptTime": format_time(last) if last else None,
    }
    why = {name: value for name, value in why.items() if value is not None}
    if cloud_events:
        return {**to_cloud_event(from_wire(event)), **{name.lower(): value for name, value in why.items()}}
    return {**event, **why}


def _write_atomically(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
