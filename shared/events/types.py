"""What is published: event types and their payloads, camelCase.

Azure ML's own types have exactly its payloads (Azure Event Grid, "Azure Machine Learning as an Event Grid source");
whatever Azure ML has no event for is under `Slipway.`, never under Microsoft's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODEL_REGISTERED = "Microsoft.MachineLearningServices.ModelRegistered"
BLOB_CREATED = "Microsoft.Storage.BlobCreated"
MODEL_UPDATED = "Slipway.ModelUpdated"
UPLOAD_REGISTERED = "Slipway.UploadRegistered"
UPLOAD_WAITING = "Slipway.UploadWaiting"
UPLOAD_FAILED = "Slipway.UploadFailed"
UPLOAD_SUPERSEDED = "Slipway.UploadSuperseded"
RECONCILE_FAILED = "Slipway.ReconcileFailed"

# Everything Slipway publishes, with one line each for the documentation and `slipway event --help`.
PUBLISHED: dict[str, str] = {
    MODEL_REGISTERED: "a model version was registered",
    MODEL_UPDATED: "tags, description or properties of a model version were changed",
    UPLOAD_WAITING: "a manifest arrived before its files",
    UPLOAD_REGISTERED: "an upload became a model version",
    UPLOAD_FAILED: "an upload was refused, or its files did not come in time",
    UPLOAD_SUPERSEDED: "a waiting manifest was replaced or removed",
    RECONCILE_FAILED: "a resource could not be brought to its declared state; it waits for a re-drive",
}


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event without id, time and topic: the commit gives it those."""

    type: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


def model_registered(name: str, version: int, tags: Mapping[str, str], properties: Mapping[str, str]) -> EventDraft:
    """Azure ML's ModelRegistered; modelVersion is an integer, as in its swagger and samples."""
    data = {
        "modelName": name,
        "modelVersion": version,
        "modelTags": dict(tags),
        "modelProperties": dict(properties),
    }
    return EventDraft(MODEL_REGISTERED, f"models/{name}:{version}", data)


def with_pascal_case(draft: EventDraft) -> EventDraft:
    """An Azure ML event whose payload has each key a second time in PascalCase (articles and old filters use that)."""
    if not draft.type.startswith("Microsoft.MachineLearningServices."):
        return draft
    pascal = {key[:1].upper() + key[1:]: value for key, value in draft.data.items()}
    return EventDraft(draft.type, draft.subject, {**draft.data, **pascal})
