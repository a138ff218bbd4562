"""How resources, history and events lie in the Cosmos DB container, and the container's definition.

All three lie in the partition of the resource, so that one transactional batch writes a commit. What people declared
stands below `body`, which is not indexed: a write costs request units for each indexed path.
"""

from __future__ import annotations

import json
from typing import Any

from shared.adapters import sort_keys
from shared.adapters.commit_rules import event_document_id, to_json
from shared.events.wire import format_time
from shared.resources.base import HistoryRecord, Resource, ResourceKey
from shared.resources.events import Event, RecordedEvent

PARTITION_KEY_PATH = "/partition"
ACKNOWLEDGED_TTL_S = 30 * 24 * 3600  # how long the event log keeps an event that was published

# The container as Microsoft.DocumentDB/.../containers takes it in properties.resource, but for its id. Every query
# orders by the one property whose range it reads (sort_key, unfinished_key or owed_key: the same text, but the last
# two only on documents that are unfinished or owed), so that range indexes suffice and no composite index is needed.
CONTAINER: dict[str, Any] = {
    "partitionKey": {"paths": [PARTITION_KEY_PATH], "kind": "Hash", "version": 2},
    "defaultTtl": -1,  # documents stay, unless they have a ttl of their own
    "indexingPolicy": {
        "indexingMode": "consistent",
        "automatic": True,
        "includedPaths": [
            {"path": f"/{name}/?"}
            for name in (
                *("sort_key", "created_key", "unfinished_key", "owed_key", "due_at"),
                *("resource", "event_type", "subject", "terms/[]"),
            )
        ],
        "excludedPaths": [{"path": "/*"}, {"path": '/"_etag"/?'}],
        "compositeIndexes": [],
    },
}

JsonObject = dict[str, Any]


def resource_document(resource: Resource) -> JsonObject:
    """The document of a resource."""
    key, sort_key = resource.key, sort_keys.resource_sort_key(resource.key)
    document: JsonObject = {
        "id": key.document_id,
        "partition": key.partition,
        "doc_type": "resource",
        "sort_key": sort_key,
        "created_key": sort_keys.created_key(resource),
        "terms": sort_keys.index_terms(resource),
        "body": json.loads(to_json(resource)),
    }
    if resource.unfinished:
        document["unfinished_key"] = sort_key
        document["due_at"] = format_time(resource.look_again_at) if resource.look_again_at else ""
    return document


def history_document(record: HistoryRecord, key: ResourceKey) -> JsonObject:
    """The document of a history record; its id is taken once a revision."""
    return {
        "id": f"history-{key.document_id}-{record.revision:08d}",
        "partition": key.partition,
        "doc_type": "history",
        "sort_key": sort_keys.history_sort_key(record),
        "resource": record.key,
        "body": json.loads(to_json(record)),
    }


def event_document(record: RecordedEvent, partition: str) -> JsonObject:
    """The document of an event that is owed."""
    sort_key = sort_keys.event_sort_key(record, partition)
    return {
        "id": event_document_id(record),
        "partition": partition,
        "doc_type": "event",
        "sort_key": sort_key,
        "owed_key": sort_key,
        "resource": record.resource,
        "event_type": record.event.type,
        "subject": record.event.subject,
        "acknowledged_at": None,
        "body": json.loads(to_json(record.event)),
    }


def acknowledgement(at: str) -> list[JsonObject]:
    """The patch operations that turn an owed event into one that was published at `at` and goes after 30 days."""
    return [
        {"op": "remove", "path": "/owed_key"},
        {"op": "set", "path": "/acknowledged_at", "value": at},
        {"op": "set", "path": "/ttl", "value": ACKNOWLEDGED_TTL_S},
    ]


IS_OWED = "FROM c WHERE IS_DEFINED(c.owed_key)"  # the condition of an acknowledgement


def resource_of(document: JsonObject) -> Resource:
    """The resource in a document, with its etag."""
    resource = Resource.model_validate(document["body"])
    resource.etag = etag_of(document["_etag"])
    return resource


def etag_of(text: str) -> str:
    """An ETag of Cosmos DB without the quotes around it, as all of Slipway has ETags."""
    return text.strip('"')


def if_match(etag: str) -> str:
    """The condition that a document has this ETag."""
    return f'"{etag}"'


def history_of(document: JsonObject) -> HistoryRecord:
    """The history record in a document."""
    return HistoryRecord.model_validate(document["body"])


def event_of(document: JsonObject) -> RecordedEvent:
    """The event in a document."""
    event = Event.model_validate(document["body"])
    return RecordedEvent(event=event, resource=document["resource"], acknowledged_at=document["acknowledged_at"])
