"""The hash chain over the history of each resource: a record that is changed, left out or put in shows.

Each record's hash covers its content and the hash of the record before it (Haber and Stornetta, "How to time-stamp a
digital document", 1991, section 5.1); the resource itself holds the hash of the newest, so a cut-off end shows too.
Whoever can write the whole store can make a new chain: keep an export elsewhere to compare with.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from shared.resources.base import HistoryRecord


def record_hash(record: HistoryRecord) -> str:
    """SHA-256 (lower-case hex) of the record's JSON without `hash`: keys sorted, no white space, UTF-8."""
    document = record.model_dump(mode="json", exclude={"hash"})
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def chained(record: HistoryRecord, previous_hash: str) -> HistoryRecord:
    """The record with its place in the chain."""
    linked = record.model_copy(update={"previous_hash": previous_hash, "hash": ""})
    return linked.model_copy(update={"hash": record_hash(linked)})


def breaks(records: Iterable[HistoryRecord], *, last_hash: str | None = None) -> list[str]:
    """What is wrong with the chain of one resource, one sentence each; [] when nothing is. `records` in the order of
    their revisions; `last_hash` is what the resource says (None: not known)."""
    found: list[str] = []
    before, revision = "", 0
    for record in records:
        name = f"{record.key} revision {record.revision}"
        if record.revision != revision + 1:
            found.append(f"{name}: the revision before it should be {record.revision - 1}, it is {revision}")
        if record.previous_hash != before:
            found.append(f"{name}: does not follow the record before it")
        if record.hash != record_hash(record):
            found.append(f"{name}: its content is not what was written")
        before, revision = record.hash, record.revision
    if last_hash is not None and before != last_hash:
        found.append(f"the newest record (revision {revision}) is not the one that the resource was last written with")
    return found
