"""Whether the histories that a server tells are what was written: pure, so that it can be checked anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from shared.resources.base import HistoryRecord
from shared.resources.chain import breaks


def chain_breaks(
    records: Iterable[Mapping[str, Any]], heads: Iterable[Mapping[str, Any]], known: Collection[str]
) -> list[str]:
    """What is wrong with the chains, one sentence each; [] when nothing is. `heads` may be older than `records`, not
    younger: each is looked for at its own revision. `known`: the resources that there are; a history of any other must
    end with its deletion."""
    by_key: dict[str, list[HistoryRecord]] = defaultdict(list)
    for record in records:
        by_key[record["key"]].append(HistoryRecord.model_validate(record))
    found: list[str] = []
    for key, history in by_key.items():
        history.sort(key=lambda record: record.revision)
        found += breaks(history)
        if key not in known and history[-1].action != "deleted":
            found.append(f"{key}: the resource is gone, and its history does not say that it was deleted")
    for head in heads:
        hashes = {record.revision: record.hash for record in by_key.get(head["key"], ())}
        newest = max(hashes, default=0)
        if hashes.get(head["revision"]) != head["hash"]:
            found.append(
                f"{head['key']}: revision {head['revision']} is not what the resource was last written with "
                f"(the newest record is {newest})"
            )
    return found


def changed_since(exported: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The records of an earlier export that vanished or changed, one sentence each."""
    present = {(record["key"], record["revision"]): record for record in records}
    found = []
    for record in exported:
        now = present.get((record["key"], record["revision"]))
        if now is None:
            found.append(f"{record['key']} revision {record['revision']}: vanished since the export")
        elif now != record:
            found.append(f"{record['key']} revision {record['revision']}: changed since the export")
    return found
