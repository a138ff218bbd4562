"""The event document: what is published. Its types and payloads are made in shared.events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from shared.resources.base import Document
from shared.telemetry import TRACEPARENT, is_traceparent


class Event(Document):
    """One event, in no particular wire form (shared.events.wire makes the Event Grid and CloudEvents forms)."""

    id: str  # derived from (resource, revision, index): a re-send keeps it
    type: str  # e.g. Microsoft.MachineLearningServices.ModelRegistered
    subject: str  # e.g. models/diabetes:3
    time: datetime  # when it happened
    data: dict[str, Any]  # the payload, camelCase
    topic: str = ""  # Event Grid's topic, CloudEvents' source
    data_version: str = "1"  # Event Grid's dataVersion

    @property
    def traceparent(self) -> str:
        """The span that published it (W3C Trace Context), which is in its data; "" where nothing was traced."""
        found = self.data.get(TRACEPARENT)
        return found if isinstance(found, str) and is_traceparent(found) else ""


class RecordedEvent(Document):
    """An event in the outbox, and afterwards in the event log."""

    event: Event
    resource: str  # str(ResourceKey) of the resource whose commit carried it
    acknowledged_at: datetime | None = Field(default=None)  # when the publisher took it; None while it is owed
