"""What every adapter of ResourceStore refuses before it writes: the narrowest store's rules, so that what works on one
machine works on Azure.

Source: Azure Cosmos DB, "Transactional batch operations" (100 operations, 2 MB) and "Service quotas" (item ids).
"""

from __future__ import annotations

import re

from shared.errors import Fault, Invalid
from shared.ports import Commit, Write
from shared.resources.base import Document, ResourceKey
from shared.resources.events import RecordedEvent

MAX_WRITES = 30
MAX_OPERATIONS = 100
MAX_COMMIT_BYTES = 2 * 1024 * 1024
MAX_ID_BYTES = 1023
MAX_PARTITION_BYTES = 2048
_FORBIDDEN = re.compile(r"[/\\?#\x00-\x20\x7f\ud800-\udfff]")  # the first four by Cosmos DB


def check_commit(commit: Commit) -> str:
    """The commit's partition. Raises Invalid with every fault when no store could take the commit."""
    faults = [Fault(message=message) for message in (*_faults_of_sizes(commit), *_faults_of_names(commit))]
    if faults:
        raise Invalid("the commit is not one that a store takes", faults=tuple(faults))
    return commit.partition


def event_document_id(record: RecordedEvent) -> str:
    """The id of an event's document."""
    return f"event-{record.event.id}"


def event_partition(record: RecordedEvent) -> str:
    """The partition of an event: its resource's. Raises Invalid when that is not a key."""
    try:
        return ResourceKey.parse(record.resource).partition
    except ValueError as error:
        raise Invalid(f"the event {record.event.id} has a wrong resource: {error}") from error


def to_json(document: Document) -> str:
    """The document as JSON text. Raises Invalid when it holds what JSON cannot (half a surrogate pair...)."""
    try:
        return document.model_dump_json()
    except ValueError as error:
        raise Invalid(f"what is to be stored is not JSON: {error}", remedy="send valid UTF-8 text") from error


def _faults_of_sizes(commit: Commit) -> list[str]:
    faults = []
    if not 1 <= len(commit.writes) <= MAX_WRITES:
        faults.append(f"{len(commit.writes)} writes in one commit, 1 to {MAX_WRITES} are possible")
    operations = sum(2 if write.history else 1 for write in commit.writes) + len(commit.events)
    if operations > MAX_OPERATIONS:
        faults.append(f"{operations} resources, history records and events, at most {MAX_OPERATIONS} are possible")
    return faults


def _faults_of_names(commit: Commit) -> list[str]:
    keys = [write.resource.key for write in commit.writes]
    partitions = sorted({key.partition for key in keys})
    faults = [f"several partitions ({', '.join(partitions)}), a commit holds one"] if len(partitions) > 1 else []
    faults += [f"{key} is written twice" for key in sorted(set(keys), key=str) if keys.count(key) > 1]
    for write in commit.writes:
        faults += _faults_of_write(write)
    for record in commit.events:
        if event_partition(record) not in partitions:
            faults.append(f"the event {record.event.id} is of {record.resource}, outside the commit's partition")
        faults += _faults_of_id(event_document_id(record))
    return faults


def _faults_of_write(write: Write) -> list[str]:
    key = write.resource.key
    faults = _faults_of_id(key.document_id)
    if not key.name or _FORBIDDEN.search(key.name) or len(key.partition.encode(errors="replace")) > MAX_PARTITION_BYTES:
        faults.append(f"the name {key.name[:80]!r} is empty, too long, or has one of / \\ ? # or white space in it")
    if write.delete and write.resource.etag is None:
        faults.append(f"{key} is deleted without the ETag of the state to delete")
    if write.history and write.history.key != str(key):
        faults.append(f"the history record of {key} is of {write.history.key}")
    return faults


def _faults_of_id(document_id: str) -> list[str]:
    if _FORBIDDEN.search(document_id) or len(document_id.encode(errors="replace")) > MAX_ID_BYTES:
        return [f"{document_id[:80]!r} is too long, or has one of / \\ ? # or white space in it"]
    return []
