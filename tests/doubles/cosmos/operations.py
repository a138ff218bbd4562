"""What a request asks for, and the answers about single documents, ranges and the account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.cosmos.containers import RANGES, Container, Document
from tests.doubles.cosmos.errors import bad_request


@dataclass(slots=True)
class Reply:
    """An answer: its document, status, headers and how many request units it is said to have cost."""

    document: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    charge: float = 0.0  # set when it is answered


def operation_of(method: str, segments: list[str], headers: Mapping[str, str]) -> str:
    """The name of what is asked. Raises CosmosError 400 for what this double does not take."""
    shape = (method, *(segment for index, segment in enumerate(segments) if index % 2 == 0), len(segments) % 2)
    if shape == ("POST", "dbs", "colls", "docs", 1):
        if headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":
            return "plan"
        if headers.get("x-ms-documentdb-isquery", "").lower() == "true":
            return "query"
        if headers.get("x-ms-cosmos-is-batch-request", "").lower() == "true":
            return "batch"
        return "item.upsert" if headers.get("x-ms-documentdb-is-upsert", "").lower() == "true" else "item.create"
    known: dict[tuple[Any, ...], str] = {
        ("GET", 0): "account",
        ("POST", "dbs", 1): "database.create",
        ("GET", "dbs", 0): "database.read",
        ("DELETE", "dbs", 0): "database.delete",
        ("POST", "dbs", "colls", 1): "container.create",
        ("GET", "dbs", "colls", 0): "container.read",
        ("DELETE", "dbs", "colls", 0): "container.delete",
        ("GET", "dbs", "colls", "pkranges", 1): "ranges",
        ("GET", "dbs", "colls", "docs", 0): "item.read",
        ("PUT", "dbs", "colls", "docs", 0): "item.replace",
        ("PATCH", "dbs", "colls", "docs", 0): "item.patch",
        ("DELETE", "dbs", "colls", "docs", 0): "item.delete",
    }
    if shape not in known:
        raise bad_request(f"this double does not take {method} /{'/'.join(segments)}")
    return known[shape]


def item_reply(
    container: Container, operation: str, segments: list[str], headers: Mapping[str, str], body: bytes
) -> Reply:
    """The answer about one document, or of a batch. Raises CosmosError as the service answers."""
    if "x-ms-documentdb-partitionkey" not in headers:
        raise bad_request("PartitionKey value must be supplied for this operation.")
    partition = json.dumps(json.loads(headers["x-ms-documentdb-partitionkey"]))
    if_match = headers.get("If-Match")
    if operation == "batch":
        if headers.get("x-ms-cosmos-batch-atomic", "").lower() != "true":
            raise bad_request("this double takes atomic batches only")
        status, answers = container.batch(partition, parse_json(body), len(body))
        return Reply(answers, status)
    document_id = segments[5] if len(segments) == 6 else ""
    if operation == "item.delete":
        container.delete(partition, document_id, if_match)
        return Reply(None, 204)
    if operation == "item.read":
        document, status = container.read(partition, document_id), 200
    elif operation == "item.replace":
        document, status = container.replace(partition, document_id, parse_json(body), if_match), 200
    elif operation == "item.patch":
        document, status = container.patch(partition, document_id, parse_json(body), if_match), 200
    else:
        document = container.create(partition, parse_json(body), upsert=operation == "item.upsert")
        status = 201
    return Reply(document, status, {"etag": document["_etag"]})


def ranges_reply(container: Container, headers: Mapping[str, str]) -> Reply:
    """The physical partitions, as a feed of changes: nothing changes after the first answer."""
    etag = f'"{container.rid}-1"'
    if headers.get("If-None-Match") == etag:
        return Reply(None, 304, {"etag": etag})
    ranges = [
        {"id": name, "minInclusive": low, "maxExclusive": high, "parents": [], "status": "online"}
        for name, (low, high) in RANGES.items()
    ]
    return Reply({"_rid": container.rid, "PartitionKeyRanges": ranges, "_count": len(ranges)}, 200, {"etag": etag})


def account_reply(endpoint: str) -> Document:
    """The account: one region, where this double is."""
    location = [{"name": "Double", "databaseAccountEndpoint": endpoint}]
    consistency = {"defaultConsistencyLevel": "Session"}
    return {
        "id": "double",
        "_dbs": "//dbs/",
        "writableLocations": location,
        "readableLocations": location,
        "enableMultipleWriteLocations": False,
        "userConsistencyPolicy": consistency,
    }


def parse_json(body: bytes) -> Any:
    """The body's JSON. Raises CosmosError 400 when it is none (NaN is none)."""

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is not JSON")

    try:
        return json.loads(body, parse_constant=refuse)
    except ValueError as error:
        raise bad_request(f"The request body is not JSON: {error}") from error
