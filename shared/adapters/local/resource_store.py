"""ResourceStore and Outbox in one SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from shared.adapters import continuation, sort_keys
from shared.adapters.commit_rules import (
    MAX_COMMIT_BYTES,
    check_commit,
    event_document_id,
    event_partition,
    to_json,
)
from shared.adapters.local.sqlite import Database
from shared.errors import Conflict, TooLarge
from shared.events.wire import format_time
from shared.ports import Commit, Page, RecordQuery, ResourceQuery, Write
from shared.resources.base import HistoryRecord, Resource, ResourceKey
from shared.resources.events import Event, RecordedEvent

T = TypeVar("T")
Row = tuple[Any, ...]

# The indexes of the logs also hold what a query may filter by, so that the rows it leaves out are never read.
SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    partition TEXT NOT NULL, id TEXT NOT NULL, sort_key TEXT NOT NULL, unfinished INTEGER NOT NULL,
    due_at TEXT NOT NULL, etag TEXT NOT NULL, body TEXT NOT NULL, created_key TEXT NOT NULL,
    PRIMARY KEY (partition, id));
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_sort_key ON documents (sort_key);
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_created_key ON documents (created_key);
CREATE INDEX IF NOT EXISTS documents_unfinished ON documents (sort_key, due_at) WHERE unfinished = 1;

-- What resources are found by (shared.resources.search), in both orders.
CREATE TABLE IF NOT EXISTS terms (
    term TEXT NOT NULL, sort_key TEXT NOT NULL, created_key TEXT NOT NULL, PRIMARY KEY (term, sort_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS terms_by_created_key ON terms (term, created_key);

CREATE TABLE IF NOT EXISTS history (
    partition TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, sort_key TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (key, revision));
CREATE UNIQUE INDEX IF NOT EXISTS history_by_sort_key ON history (sort_key);
CREATE INDEX IF NOT EXISTS history_by_partition ON history (partition, sort_key);
CREATE INDEX IF NOT EXISTS history_by_key ON history (key, sort_key);

CREATE TRIGGER IF NOT EXISTS history_is_never_changed BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER IF NOT EXISTS history_is_never_deleted BEFORE DELETE ON history
BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;

CREATE TABLE IF NOT EXISTS events (
    partition TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL,
    sort_key TEXT NOT NULL, acknowledged_at TEXT, body TEXT NOT NULL, PRIMARY KEY (partition, id));
CREATE INDEX IF NOT EXISTS events_by_sort_key ON events (sort_key, type, subject);
CREATE INDEX IF NOT EXISTS events_by_partition ON events (partition, sort_key, type, subject);
CREATE INDEX IF NOT EXISTS events_by_key ON events (key, sort_key, type, subject);
CREATE INDEX IF NOT EXISTS events_owed ON events (sort_key) WHERE acknowledged_at IS NULL;
"""

_INSERT_DOCUMENT = "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_UPDATE_DOCUMENT = "UPDATE documents SET unfinished=?, due_at=?, etag=?, body=? WHERE partition=? AND id=? AND etag=?"
_DELETE_DOCUMENT = "DELETE FROM documents WHERE partition=? AND id=? AND etag=?"
_INSERT_TERM = "INSERT OR IGNORE INTO terms VALUES (?, ?, ?)"
_DELETE_TERM = "DELETE FROM terms WHERE term=? AND sort_key=?"
_BODY = "SELECT body FROM documents WHERE partition=? AND id=?"
_INSERT_HISTORY = "INSERT INTO history VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, NULL, ?) ON CONFLICT DO NOTHING"
_ACKNOWLEDGE = "UPDATE events SET acknowledged_at=? WHERE partition=? AND id=? AND acknowledged_at IS NULL"
OWED = "SELECT key, acknowledged_at, body FROM events WHERE acknowledged_at IS NULL AND sort_key < ? ORDER BY sort_key"


class SqliteResourceStore:
    """Resources, history and events. Nothing is ever removed from the last two."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def close(self) -> None:
        """Finish what waits and close the file."""
        await self._database.close()

    async def read(self, key: ResourceKey) -> Resource | None:
        """The resource with its etag, or None."""
        sql = "SELECT body, etag FROM documents WHERE partition=? AND id=?"
        row = await self._database.read_row(sql, (key.partition, key.document_id))
        return _resource(row) if row else None

    async def commit(self, commit: Commit) -> tuple[str, ...]:
        """One transaction; the new ETags, "" for a delete. Raises Conflict (nothing is left behind), Invalid for a
        commit no store takes, TooLarge above 2 MB."""
        partition = check_commit(commit)
        etags = tuple("" if write.delete else secrets.token_hex(16) for write in commit.writes)
        statements = [_document_statement(write, etag) for write, etag in zip(commit.writes, etags, strict=True)]
        statements += [_history_statement(write.history, partition) for write in commit.writes if write.history]
        statements += [_event_statement(record, partition) for record in commit.events]
        size_bytes = sum(
            len(value.encode()) for _, values, _ in statements for value in values if isinstance(value, str)
        )
        if size_bytes > MAX_COMMIT_BYTES:
            raise TooLarge(f"the commit to {partition} has {size_bytes} bytes, at most {MAX_COMMIT_BYTES} are possible")
        await self._database.write(lambda connection: _execute_all(connection, commit.writes, statements))
        return etags

    async def list_resources(self, query: ResourceQuery) -> Page[Resource]:
        """A page of resources. Raises Invalid for a continuation it did not make."""
        span = continuation.rest_of(sort_keys.resource_range(query), query.after, descending=query.descending)
        terms = await self._rarest_first(sort_keys.query_terms(query))
        sql, values = resources_sql(query, span, terms)
        return continuation.page_of(await self._select(sql, values), query.limit, _resource, lambda row: str(row[-1]))

    async def _rarest_first(self, terms: list[str]) -> list[str]:
        """The rarest term leads the search; what is commoner than the limit is all the same."""
        if len(terms) < 2:
            return terms
        sql = "SELECT count(*) FROM (SELECT 1 FROM terms WHERE term=? LIMIT 2000)"
        counts = {term: (await self._select(sql, (term,)))[0][0] for term in terms}
        return sorted(terms, key=lambda term: counts[term])

    async def list_events(self, query: RecordQuery) -> Page[RecordedEvent]:
        """A page of the event log, oldest first. Raises Invalid for a continuation it did not make."""
        span = continuation.rest_of(sort_keys.event_range(query), query.after)
        sql, values = records_sql("events", "key, acknowledged_at, body, sort_key", query, span)
        return continuation.page_of(await self._select(sql, values), query.limit, _event, lambda row: str(row[-1]))

    async def list_history(self, query: RecordQuery) -> Page[HistoryRecord]:
        """A page of the history, oldest first. Raises Invalid for a continuation it did not make."""
        span = continuation.rest_of(sort_keys.history_range(query), query.after)
        sql, values = records_sql("history", "body, sort_key", query, span)
        rows = await self._select(sql, values)
        return continuation.page_of(
            rows, query.limit, lambda row: HistoryRecord.model_validate_json(row[0]), lambda row: str(row[-1])
        )

    async def unacknowledged(self, *, before: datetime, limit: int) -> tuple[RecordedEvent, ...]:
        """At most `limit` owed events from before `before`, oldest first; () when none are."""
        rows = await self._select(f"{OWED} LIMIT ?", (f"event {format_time(before)}", limit))
        return tuple(_event(row) for row in rows)

    async def acknowledge(self, events: Sequence[RecordedEvent], at: datetime) -> None:
        """Note that these were published; the first time stays."""
        if not events:
            return
        time = format_time(at)
        values = [(time, event_partition(record), event_document_id(record)) for record in events]
        # Not synced: after a power cut the event is published once more, with the same id.
        await self._database.write(lambda connection: _execute_many(connection, _ACKNOWLEDGE, values), synced=False)

    async def _select(self, sql: str, values: Sequence[Any]) -> list[Row]:
        return await self._database.read(lambda connection: connection.execute(sql, values).fetchall())


def open_resource_store(path: Path) -> SqliteResourceStore:
    """The store in the file at `path`, which is made at first use."""
    return SqliteResourceStore(Database(path, SCHEMA))


def resources_sql(query: ResourceQuery, span: sort_keys.KeyRange, terms: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """The statement that reads one more resource than a page holds, and its values: along one index, in its order."""
    key = "created_key" if query.sort == "created" else "sort_key"
    table, conditions, values = "documents d", [f"d.{key} > ?", f"d.{key} < ?"], [span.low, span.high]
    if terms:
        table, values = "terms t CROSS JOIN documents d ON d.sort_key = t.sort_key", [terms[0], *values]
        conditions = ["t.term = ?", f"t.{key} > ?", f"t.{key} < ?"]
    for term in terms[1:]:
        conditions.append("EXISTS (SELECT 1 FROM terms o WHERE o.term = ? AND o.sort_key = t.sort_key)")
        values.append(term)
    place = "t" if terms else "d"
    times = sort_keys.created_range(query)
    if times is not None and query.sort != "created":
        conditions += [f"{place}.created_key >= ?", f"{place}.created_key < ?"]
        values += [times.low, times.high]
    if query.unfinished_before is not None:
        conditions += ["d.unfinished = 1", "d.due_at <= ?"]
        values.append(format_time(query.unfinished_before))
    order = "DESC" if query.descending else "ASC"
    where = f"{' AND '.join(conditions)} ORDER BY {place}.{key} {order} LIMIT ?"
    sql = f"SELECT d.body, d.etag, {place}.{key} FROM {table} WHERE {where}"  # noqa: S608
    return sql, [*values, query.limit + 1]


def records_sql(table: str, columns: str, query: RecordQuery, span: sort_keys.KeyRange) -> tuple[str, list[Any]]:
    """The statement that reads one more record than a page holds, and its values."""
    conditions = ["sort_key > ?", "sort_key < ?"]
    values: list[Any] = [span.low, span.high]
    if query.key is not None:
        conditions.append("key = ?")
        values.append(query.key)
    if query.partition is not None:
        conditions.append("+partition = ?" if query.key is not None else "partition = ?")
        values.append(query.partition)
    if query.types:
        conditions.append(f"type IN ({', '.join('?' * len(query.types))})")
        values += query.types
    if query.subject_prefix:
        conditions.append("substr(subject, 1, ?) = ?")
        values += [len(query.subject_prefix), query.subject_prefix]
    where = f"{' AND '.join(conditions)} ORDER BY sort_key LIMIT ?"
    return f"SELECT {columns} FROM {table} WHERE {where}", [*values, query.limit + 1]  # noqa: S608


Statement = tuple[str, Row, Callable[[], Conflict]]


def _execute_all(connection: sqlite3.Connection, writes: Sequence[Write], statements: Sequence[Statement]) -> None:
    for write in writes:
        _index(connection, write)
    for sql, values, conflict in statements:
        if connection.execute(sql, values).rowcount != 1:
            raise conflict()


def _index(connection: sqlite3.Connection, write: Write) -> None:
    """Brings the terms from what the document says before the commit to what it says after it. Nothing of it stays
    when the document's own statement finds a conflict afterwards."""
    resource, key = write.resource, write.resource.key
    row = connection.execute(_BODY, (key.partition, key.document_id)).fetchone() if resource.etag else None
    old = set(sort_keys.index_terms(Resource.model_validate_json(row[0]))) if row else set()
    new = set() if write.delete else set(sort_keys.index_terms(resource))
    sort_key, created = sort_keys.resource_sort_key(key), sort_keys.created_key(resource)
    connection.executemany(_DELETE_TERM, [(term, sort_key) for term in sorted(old - new)])
    connection.executemany(_INSERT_TERM, [(term, sort_key, created) for term in sorted(new - old)])


def _execute_many(connection: sqlite3.Connection, sql: str, values: Sequence[Row]) -> None:
    connection.executemany(sql, values)


def _document_statement(write: Write, etag: str) -> Statement:
    resource, key = write.resource, write.resource.key
    place = (key.partition, key.document_id)
    if resource.etag is None:
        values = (*place, sort_keys.resource_sort_key(key), *_state(resource, etag), sort_keys.created_key(resource))
        return _INSERT_DOCUMENT, values, lambda: Conflict(f"{key} exists already")
    if write.delete:
        return _DELETE_DOCUMENT, (*place, resource.etag), lambda: Conflict(f"{key} was changed, not deleted")
    values = (*_state(resource, etag), *place, resource.etag)
    return _UPDATE_DOCUMENT, values, lambda: Conflict(f"{key} was changed by somebody else")


def _state(resource: Resource, etag: str) -> Row:
    due_at = format_time(resource.look_again_at) if resource.look_again_at else ""
    return (int(resource.unfinished), due_at, etag, to_json(resource))


def _history_statement(record: HistoryRecord, partition: str) -> Statement:
    sort_key, body = sort_keys.history_sort_key(record), to_json(record)
    values = (partition, record.key, record.revision, sort_key, body)
    return _INSERT_HISTORY, values, lambda: Conflict(f"{record.key} has a revision {record.revision} already")


def _event_statement(record: RecordedEvent, partition: str) -> Statement:
    event = record.event
    sort_key, body = sort_keys.event_sort_key(record, partition), to_json(event)
    values = (partition, event_document_id(record), record.resource, event.type, event.subject, sort_key, body)
    return _INSERT_EVENT, values, lambda: Conflict(f"the event {event.id} exists already")


def _resource(row: Row) -> Resource:
    resource = Resource.model_validate_json(row[0])
    resource.etag = row[1]
    return resource


def _event(row: Row) -> RecordedEvent:
    key, acknowledged_at, body = row[:3]
    at = datetime.fromisoformat(acknowledged_at) if acknowledged_at else None
    return RecordedEvent(event=Event.model_validate_json(body), resource=key, acknowledged_at=at)
