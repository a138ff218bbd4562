"""Event Grid on one machine: topics, subscriptions and what is still to be delivered, in one SQLite file.

Publishing only writes here, in one transaction for an event and all its deliveries; shared.local_host.event_delivery
makes the deliveries, in this or another process.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signal import signal_for
from shared.adapters.local.sqlite import Database
from shared.adapters.local.subscription_table import SCHEMA as SUBSCRIPTION_SCHEMA
from shared.adapters.local.subscription_table import SubscriptionTable, micros, subscribers
from shared.events.filters import matches
from shared.events.limits import event_size_bytes
from shared.events.wire import to_event_grid
from shared.ports import Clock
from shared.resources.events import Event

Topic = Literal["storage", "slipway"]  # the storage account's system topic, and Slipway's custom topic

# Times are microseconds since 1970, so that they order and add as integers.
SCHEMA = (
    SUBSCRIPTION_SCHEMA
    + """
CREATE TABLE IF NOT EXISTS events (
    sequence     INTEGER PRIMARY KEY,
    id           TEXT NOT NULL,
    document     TEXT NOT NULL,     -- JSON in the Event Grid schema
    data_version TEXT NOT NULL,
    published_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    sequence           INTEGER PRIMARY KEY,
    subscription       TEXT NOT NULL,
    event              INTEGER NOT NULL,
    attempts           INTEGER NOT NULL DEFAULT 0,
    next_attempt_at    INTEGER NOT NULL,
    last_attempt_at    INTEGER,
    last_outcome       TEXT NOT NULL DEFAULT '',
    dead_letter_reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (subscription, next_attempt_at);
CREATE INDEX IF NOT EXISTS deliveries_of_event ON deliveries (event);
"""
)
_EVENT = "INSERT INTO events (id, document, data_version, published_at) VALUES (?, ?, ?, ?)"
_DELIVERY = "INSERT INTO deliveries (subscription, event, next_attempt_at) VALUES (?, ?, ?)"
_PENDING = "subscription = ? AND sequence NOT IN (SELECT value FROM json_each(?))"
_DUE = f"""
SELECT d.sequence, d.event, e.id, e.document, e.data_version, e.published_at, d.attempts, d.last_attempt_at,
       d.last_outcome, d.dead_letter_reason
FROM (SELECT * FROM deliveries WHERE {_PENDING} AND next_attempt_at <= ? ORDER BY next_attempt_at, sequence LIMIT ?) d
JOIN events e ON e.sequence = d.event ORDER BY d.next_attempt_at, d.sequence
"""  # noqa: S608 - constants
_NEXT = f"SELECT MIN(next_attempt_at) FROM deliveries WHERE {_PENDING} AND next_attempt_at > ?"  # noqa: S608
_FINISH = "DELETE FROM deliveries WHERE sequence IN (SELECT value FROM json_each(?))"
_FORGET = """
DELETE FROM events WHERE sequence IN (SELECT value FROM json_each(?))
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = events.sequence)
"""
_RESCHEDULE = """
UPDATE deliveries SET attempts = ?, next_attempt_at = ?, last_attempt_at = ?, last_outcome = ?, dead_letter_reason = ?
WHERE sequence = ?
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event that is still owed to one subscription."""

    sequence: int
    event_sequence: int
    event_id: str
    document: str  # the event as JSON in the Event Grid schema
    data_version: str
    published_at: datetime  # when the topic took it
    attempts: int = 0  # made so far
    last_attempt_at: datetime | None = None
    last_outcome: str = ""  # Event Grid's lastDeliveryOutcome; "" before the first attempt
    dead_letter_reason: str = ""  # not "": only its dead-letter file is still to be written


class LocalEventGrid:
    """The topics `storage` and `slipway`, durable. Make it with `open_event_grid`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.path = database.path
        self.clock = clock
        self.subscriptions = SubscriptionTable(database, clock)
        self._database = database

    async def enqueue(self, topic: Topic, events: Sequence[Event]) -> int:
        """Owe each event to every subscription whose filters match it; how many deliveries that makes.

        On disk when it returns. The same event again makes the same deliveries again: at least once, as the service."""
        if not events:
            return 0
        now = micros(self.clock.now())

        def owed_to(connection: sqlite3.Connection) -> list[tuple[Event, list[str]]]:
            receivers = subscribers(connection, topic)
            wanted = [(e, [name for name, filters in receivers if not filters or matches(filters, e)]) for e in events]
            return [(event, names) for event, names in wanted if names]

        def insert(connection: sqlite3.Connection) -> list[str]:
            owed = owed_to(connection)
            for event, names in owed:
                row = (event.id, json.dumps(to_event_grid(event)), event.data_version, now)
                sequence = connection.execute(_EVENT, row).lastrowid
                connection.executemany(_DELIVERY, [(name, sequence, now) for name in names])
            return [name for _, names in owed for name in names]

        if not await self._database.read_briefly(owed_to):
            return 0  # most events are wanted by nobody: they cost no write

        owed = await self._database.write(insert)
        for name in set(owed):
            signal_for(self.path, name).notify()
        return len(owed)

    async def due(
        self, subscription: str, *, limit: int, excluding: Collection[int] = ()
    ) -> tuple[tuple[Delivery, ...], datetime | None]:
        """Up to `limit` deliveries whose time has come, the longest due first, but for those numbered `excluding`; and
        when the next one after now is due (None: there is none)."""
        now, hidden = micros(self.clock.now()), json.dumps(list(excluding))

        def select(connection: sqlite3.Connection) -> tuple[tuple[Delivery, ...], datetime | None]:
            rows = connection.execute(_DUE, (subscription, hidden, now, limit)).fetchall()
            (later,) = connection.execute(_NEXT, (subscription, hidden, now)).fetchone()
            return tuple(map(_delivery, rows)), _time(later)

        return await self._database.read_briefly(select)

    async def finish(self, deliveries: Sequence[Delivery]) -> None:
        """Forget them: they were delivered, or are in dead-letter files."""
        sequences = json.dumps([each.sequence for each in deliveries])
        events = json.dumps([each.event_sequence for each in deliveries])

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute(_FINISH, (sequences,))
            connection.execute(_FORGET, (events,))

        await self._database.write(delete, synced=False)  # after a power cut they are delivered once more

    async def reschedule(self, delivery: Delivery, next_attempt_at: datetime) -> None:
        """Keep its attempts, outcome and reason, and make it due again then. Nothing happens when it is gone."""
        last = micros(delivery.last_attempt_at) if delivery.last_attempt_at else None
        outcome, reason = delivery.last_outcome, delivery.dead_letter_reason
        row = (delivery.attempts, micros(next_attempt_at), last, outcome, reason, delivery.sequence)
        await self._database.write(lambda connection: connection.execute(_RESCHEDULE, row).rowcount)

    async def count_pending(self, subscription: str) -> int:
        """How many deliveries are owed to it."""
        query = "SELECT COUNT(*) FROM deliveries WHERE subscription = ?"
        return await self._database.read(
            lambda connection: int(connection.execute(query, (subscription,)).fetchone()[0])
        )

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        await self._database.close()


class LocalEventPublisher:
    """EventPublisher: Slipway's custom topic on this machine."""

    def __init__(self, grid: LocalEventGrid) -> None:
        self._grid = grid

    async def publish(self, events: Sequence[Event]) -> None:
        """See EventPublisher: on disk when it returns. Raises TooLarge for an event the service would not take."""
        for event in events:
            event_size_bytes(to_event_grid(event))
        await self._grid.enqueue("slipway", events)


def open_event_grid(path: Path, clock: Clock | None = None) -> LocalEventGrid:
    """The Event Grid kept at `path`, readable by its owner only (signing secrets are in it); opened at first use."""
    with contextlib.suppress(OSError):  # the database says it better, at first use
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    return LocalEventGrid(Database(path, SCHEMA), clock or SystemClock())


def _delivery(row: tuple[int, int, str, str, str, int, int, int | None, str, str]) -> Delivery:
    sequence, event, event_id, document, data_version, published_at, attempts, last, outcome, reason = row
    published = _time(published_at) or datetime.fromtimestamp(0, UTC)
    return Delivery(
        sequence, event, event_id, document, data_version, published, attempts, _time(last), outcome, reason
    )


def _time(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)
