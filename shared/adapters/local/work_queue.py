"""WorkQueue in SQLite: any number of named queues in one file, with Storage Queue semantics."""

from __future__ import annotations

import secrets
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.local.clock import SystemClock
from shared.adapters.local.signal import signal_for
from shared.adapters.local.sqlite import Database
from shared.adapters.queue_limits import (
    TIME_TO_LIVE_S,
    check_message,
    check_name,
    check_receive,
    check_visibility_timeout,
)
from shared.errors import Conflict
from shared.ports import Clock, ReceivedMessage

# Times are microseconds since 1970, so that they order and add as integers.
SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    sequence      INTEGER PRIMARY KEY,
    queue         TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    body          TEXT NOT NULL,
    inserted_at   INTEGER NOT NULL,
    visible_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL DEFAULT 0,
    receipt       TEXT
);
CREATE INDEX IF NOT EXISTS messages_visible ON messages (queue, visible_at, sequence);
"""
_SECOND = 1_000_000


class SqliteWorkQueue:
    """One named queue. A message lives 7 days from when it is first visible, as in Storage Queues by default."""

    def __init__(self, database: Database, name: str, clock: Clock) -> None:
        self._database = database
        self._name = check_name(name)
        self._clock = clock
        self._signal = signal_for(database.path, name)

    async def send(self, body: str, *, delay_s: float = 0) -> str:
        """See WorkQueue. Wakes the listener of this process."""
        check_message(body, delay_s)
        message_id = str(uuid.uuid4())
        now = _micros(self._clock.now())
        visible_at = now + int(delay_s * _SECOND)
        row = (self._name, message_id, body, now, visible_at, visible_at + TIME_TO_LIVE_S * _SECOND)
        columns = "queue, id, body, inserted_at, visible_at, expires_at"
        insert = f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - a constant
        await self._database.write(lambda connection: connection.execute(insert, row).rowcount)
        self._signal.notify()
        return message_id

    async def receive(self, *, max_messages: int, visibility_timeout_s: float) -> tuple[ReceivedMessage, ...]:
        """See WorkQueue. Those that became visible first come first."""
        check_receive(max_messages, visibility_timeout_s)
        now = _micros(self._clock.now())
        hidden_until = now + int(visibility_timeout_s * _SECOND)

        def receive(connection: sqlite3.Connection) -> tuple[ReceivedMessage, ...]:
            rows = connection.execute(_VISIBLE, (self._name, now, now, max_messages)).fetchall()
            return tuple(_take(connection, row, hidden_until) for row in rows)

        if not await self._database.read_briefly(lambda c: c.execute(_VISIBLE, (self._name, now, now, 1)).fetchone()):
            return ()  # an idle queue is polled often: it costs no write lock
        return await self._database.write(receive, synced=False)  # after a power cut it is received once more

    async def update(self, message: ReceivedMessage, *, visibility_timeout_s: float) -> ReceivedMessage:
        """See WorkQueue. A message that is gone has no valid receipt: Conflict."""
        check_visibility_timeout(visibility_timeout_s)
        visible_at = _micros(self._clock.now()) + int(visibility_timeout_s * _SECOND)
        receipt = secrets.token_urlsafe(12)
        statement = "UPDATE messages SET visible_at = ?, receipt = ? WHERE queue = ? AND id = ? AND receipt = ?"
        values = (visible_at, receipt, self._name, message.id, message.receipt)
        if not await self._database.write(lambda connection: connection.execute(statement, values).rowcount):
            raise Conflict(f"the receipt of message {message.id} in queue {self._name} is not the newest one")
        self._signal.notify()
        return ReceivedMessage(
            id=message.id,
            body=message.body,
            dequeue_count=message.dequeue_count,
            inserted_at=message.inserted_at,
            receipt=receipt,
            next_visible_at=_time(visible_at),
            expires_at=message.expires_at,
        )

    async def delete(self, message: ReceivedMessage) -> None:
        """See WorkQueue."""

        def delete(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                "SELECT receipt FROM messages WHERE queue = ? AND id = ?", (self._name, message.id)
            ).fetchone()
            if row is not None and row[0] != message.receipt:
                return False
            connection.execute("DELETE FROM messages WHERE queue = ? AND id = ?", (self._name, message.id))
            return True

        if not await self._database.write(delete, synced=False):  # as above
            raise Conflict(f"the receipt of message {message.id} in queue {self._name} is not the newest one")


class SqliteWorkQueues:
    """All queues of one file: call it with a name to get one."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, SCHEMA)
        self._clock = clock
        self._queues: dict[str, SqliteWorkQueue] = {}

    def __call__(self, name: str) -> SqliteWorkQueue:
        """The queue of that name; it need not be created. Raises Invalid for a name Azure would refuse."""
        if name not in self._queues:
            self._queues[name] = SqliteWorkQueue(self._database, name, self._clock)
        return self._queues[name]

    async def release_all(self) -> int:
        """Make every message that somebody holds visible again; how many. Only for who has the file for himself: a host
        that was killed left them hidden for minutes."""
        release = "UPDATE messages SET visible_at = inserted_at, receipt = NULL WHERE receipt IS NOT NULL"
        return await self._database.write(lambda connection: connection.execute(release).rowcount)

    async def close(self) -> None:
        """Close the file."""
        await self._database.close()


def open_work_queues(path: Path, clock: Clock | None = None) -> SqliteWorkQueues:
    """The queues kept in the file at `path`, which is made at first use."""
    return SqliteWorkQueues(path, clock or SystemClock())


_COLUMNS = "id, body, dequeue_count, inserted_at, expires_at"
_VISIBLE = (
    f"SELECT {_COLUMNS} FROM messages WHERE queue = ? AND visible_at <= ? AND expires_at > ? "  # noqa: S608 - constants
    "ORDER BY visible_at, sequence LIMIT ?"
)


def _take(connection: sqlite3.Connection, row: tuple[str, str, int, int, int], hidden_until: int) -> ReceivedMessage:
    message_id, body, dequeue_count, inserted_at, expires_at = row
    receipt = secrets.token_urlsafe(12)
    connection.execute(
        "UPDATE messages SET visible_at = ?, dequeue_count = ?, receipt = ? WHERE id = ?",
        (hidden_until, dequeue_count + 1, receipt, message_id),
    )
    return ReceivedMessage(
        id=message_id,
        body=body,
        dequeue_count=dequeue_count + 1,
        inserted_at=_time(inserted_at),
        receipt=receipt,
        next_visible_at=_time(hidden_until),
        expires_at=_time(expires_at),
    )


def _micros(time: datetime) -> int:
    return round(time.timestamp() * _SECOND)


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / _SECOND, UTC)
