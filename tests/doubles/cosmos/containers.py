"""A container's documents, in memory: logical partitions, ETags, time to live, atomic batches.

Source: REST reference ("Documents", "Common request headers"), "Time to Live (TTL) in Azure Cosmos DB".
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from tests.doubles.cosmos.errors import CosmosError, bad_request
from tests.doubles.cosmos.patches import patched
from tests.doubles.cosmos.values import UNDEFINED, value_at

MAX_ITEM_BYTES = MAX_BATCH_BYTES = 2 * 1024 * 1024
MAX_BATCH_OPERATIONS = 100
MAX_ID_LENGTH = 1023
MIDDLE = "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
RANGES = {"0": ("", MIDDLE), "1": (MIDDLE, "FF")}  # two physical partitions, so that clients must merge
_FORBIDDEN = re.compile(r"[/\\?#]")

Document = dict[str, Any]


class Container:
    """One container. `now` gives the time in seconds, so that tests can let documents expire."""

    def __init__(self, definition: Document, rid: str, now: Callable[[], float]) -> None:
        paths = definition.get("partitionKey", {}).get("paths")
        if not isinstance(paths, list) or len(paths) != 1 or definition["partitionKey"].get("kind") != "Hash":
            raise bad_request("this double takes one partition key path of the kind Hash")
        self.definition = definition | {"_rid": rid, "_etag": f'"{uuid.uuid4()}"', "_ts": int(now())}
        self.rid = rid
        self.lsn = 0
        self._now = now
        self._path = paths[0]
        self._partitions: dict[str, dict[str, Document]] = {}

    def documents(self, partition: str | None) -> list[Document]:
        """The documents of one partition key (JSON text), or of all, in the order of their _rid."""
        keys = list(self._partitions) if partition is None else [partition]
        found = [doc for key in keys for doc in self._live(key).values()]
        return sorted(found, key=lambda document: int(document["_rid"].rpartition("-")[2]))

    def range_of(self, document: Document) -> str:
        """The physical partition that the document lies in. (The service hashes otherwise; no client depends on it.)"""
        digest = hashlib.sha256(self._key_of(document).encode()).digest()
        return "0" if digest[0] < 128 else "1"

    def read(self, partition: str, document_id: str) -> Document:
        """The document. Raises CosmosError 404."""
        found = self._live(partition).get(document_id)
        if found is None:
            raise CosmosError(404, f"Entity with the specified id does not exist in the system: {document_id}")
        return found

    def create(self, partition: str, body: Any, *, upsert: bool = False) -> Document:
        """Store a new document, or with `upsert` replace it. Raises CosmosError 409 when it is there."""
        self._check(partition, body)
        old = self._live(partition).get(body["id"])
        if old is not None and not upsert:
            raise CosmosError(409, f"Entity with the specified id already exists in the system: {body['id']}")
        return self._store(partition, body, old)

    def replace(self, partition: str, document_id: str, body: Any, if_match: str | None) -> Document:
        """Store a new state. Raises CosmosError 404 when there is none, 412 when it is another than if_match."""
        self._check(partition, body)
        if body["id"] != document_id:
            raise bad_request("the id of the document is not the id in the path")
        return self._store(partition, body, self._matching(partition, document_id, if_match))

    def patch(self, partition: str, document_id: str, request: Any, if_match: str | None) -> Document:
        """Change a part. Raises CosmosError 404, 412 and 400 as the service does."""
        old = self._matching(partition, document_id, if_match)
        new = patched(old, request, self._path)
        self._check(partition, new)
        return self._store(partition, new, old)

    def delete(self, partition: str, document_id: str, if_match: str | None) -> None:
        """Remove it. Raises CosmosError 404, 412."""
        self._matching(partition, document_id, if_match)
        del self._partitions[partition][document_id]
        self.lsn += 1

    def batch(self, partition: str, operations: Any, size_bytes: int) -> tuple[int, list[Document]]:
        """The status and one answer an operation; when one fails, nothing is kept and the others are 424."""
        if not isinstance(operations, list) or not 1 <= len(operations) <= MAX_BATCH_OPERATIONS:
            raise bad_request(f"a batch has 1 to {MAX_BATCH_OPERATIONS} operations")
        if size_bytes > MAX_BATCH_BYTES:
            raise CosmosError(413, "Request size is too large")
        before = copy.copy(self._partitions.get(partition, {}))
        answers: list[Document] = []
        for index, operation in enumerate(operations):
            try:
                answers.append(self._answer(partition, operation))
            except CosmosError as error:
                self._partitions[partition] = before
                failed: list[Document] = [{"statusCode": 424, "requestCharge": 0} for _ in operations]
                failed[index] = {"statusCode": error.status, "requestCharge": 1.0}
                return 207, failed
        return 200, answers

    def _answer(self, partition: str, operation: Document) -> Document:
        kind, document_id, body = operation.get("operationType"), operation.get("id"), operation.get("resourceBody")
        unknown = set(operation) - {"operationType", "id", "resourceBody", "ifMatch"}
        if unknown or (kind in ("Replace", "Delete", "Patch", "Read") and not isinstance(document_id, str)):
            raise bad_request(f"the batch operation {kind} is not one this double takes ({sorted(unknown)})")
        if_match = operation.get("ifMatch")
        if kind == "Delete":
            self.delete(partition, str(document_id), if_match)
            return {"statusCode": 204, "requestCharge": 5.0}
        if kind == "Create":
            document, status = self.create(partition, body), 201
        elif kind == "Upsert":
            document, status = self.create(partition, body, upsert=True), 200
        elif kind == "Replace":
            document, status = self.replace(partition, str(document_id), body, if_match), 200
        elif kind == "Patch":
            document, status = self.patch(partition, str(document_id), body, if_match), 200
        elif kind == "Read":
            document, status = self.read(partition, str(document_id)), 200
        else:
            raise bad_request(f"{kind!r} is no operation of a batch")
        return {"statusCode": status, "requestCharge": 5.0, "eTag": document["_etag"], "resourceBody": document}

    def _live(self, partition: str) -> dict[str, Document]:
        """The partition without what has expired; a document's ttl counts only where the container has one."""
        documents = self._partitions.setdefault(partition, {})
        default = self.definition.get("defaultTtl")
        if default is not None:
            for document in list(documents.values()):
                ttl = document.get("ttl", default)
                if isinstance(ttl, int) and ttl > 0 and document["_ts"] + ttl <= self._now():
                    del documents[document["id"]]
        return documents

    def _matching(self, partition: str, document_id: str, if_match: str | None) -> Document:
        found = self.read(partition, document_id)
        if if_match not in (None, "*", found["_etag"]):
            raise CosmosError(412, "Operation cannot be performed because one of the specified precondition is not met")
        return found

    def _store(self, partition: str, body: Document, old: Document | None) -> Document:
        self.lsn += 1
        rid = old["_rid"] if old else f"{self.rid}-{self.lsn}"
        system = {"_rid": rid, "_etag": f'"{uuid.uuid4()}"', "_ts": int(self._now()), "_attachments": "attachments/"}
        document: Document = copy.deepcopy(body) | system | {"_self": f"dbs/d/colls/{self.rid}/docs/{rid}/"}
        self._partitions.setdefault(partition, {})[document["id"]] = document
        return document

    def _check(self, partition: str, body: Any) -> None:
        if not isinstance(body, dict) or not isinstance(body.get("id"), str) or not body["id"]:
            raise bad_request("The input content is invalid because the required property 'id' is missing")
        if len(body["id"]) > MAX_ID_LENGTH or _FORBIDDEN.search(body["id"]) or body["id"].endswith(" "):
            raise bad_request(f"the id {body['id'][:80]!r} has illegal characters, or is too long")
        if self._key_of(body) != partition:
            raise bad_request(
                "PartitionKey extracted from document doesn't match the one specified in the header", 1001
            )
        ttl = body.get("ttl", -1)
        if not isinstance(ttl, int) or (ttl != -1 and ttl < 1):
            raise bad_request("The input ttl is invalid: it must be -1 or a positive integer")
        if len(json.dumps(body, ensure_ascii=False).encode()) > MAX_ITEM_BYTES:
            raise CosmosError(413, "Request size is too large")

    def _key_of(self, document: Document) -> str:
        value = value_at(document, tuple(self._path.strip("/").split("/")))
        return json.dumps([{}] if value is UNDEFINED else [value])
