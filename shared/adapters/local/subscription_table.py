"""The subscriptions of the local Event Grid: the function app's own, and those of other people's webhooks."""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from shared.adapters.local.signal import Signal, signal_for
from shared.adapters.local.sqlite import Database
from shared.ports import Clock, Subscription

# Event Grid: "Webhook event delivery", asynchronous handshake: the validation URL is valid for 5 minutes.
VALIDATION_TIME_S = 300
DEFAULT_BASE_URL = "http://127.0.0.1:7071"

# A row without a document is the function app's own: it filters by system_event_types only, and its URL, which holds a
# key, isn't kept.
SCHEMA = """
CREATE TABLE IF NOT EXISTS subscriptions (
    name           TEXT PRIMARY KEY,
    topic          TEXT NOT NULL,
    state          TEXT NOT NULL,
    document       TEXT,
    signing_secret TEXT,
    failed_after   INTEGER             -- AwaitingManualAction until then, Failed afterwards
);
CREATE TABLE IF NOT EXISTS system_event_types (  -- of the function app's own; none: it gets every type
    name           TEXT NOT NULL,
    type           TEXT NOT NULL,
    PRIMARY KEY (name, type)
);
CREATE TABLE IF NOT EXISTS validations (
    name           TEXT PRIMARY KEY,
    code           TEXT NOT NULL,
    expires_at     INTEGER NOT NULL,
    confirmed      INTEGER NOT NULL DEFAULT 0,
    awaited        INTEGER NOT NULL DEFAULT 0  -- the subscription that this code proves is kept
);
CREATE TABLE IF NOT EXISTS announcements (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_PUT = """
INSERT OR REPLACE INTO subscriptions (name, topic, state, document, signing_secret, failed_after)
VALUES (:name, 'slipway', :state, :document,
    NULLIF(COALESCE(:signing_secret, (SELECT signing_secret FROM subscriptions WHERE name = :name)), ''), :failed_after)
"""
_PUT_SYSTEM = "INSERT OR REPLACE INTO subscriptions (name, topic, state) VALUES (?, ?, 'Succeeded')"
_DROP_SYSTEM = """
DELETE FROM subscriptions WHERE document IS NULL AND name NOT IN (SELECT value FROM json_each(?))
"""
_DROP_DELIVERIES = "DELETE FROM deliveries WHERE subscription NOT IN (SELECT name FROM subscriptions)"
_DROP_EVENTS = "DELETE FROM events WHERE sequence NOT IN (SELECT event FROM deliveries)"
_CONFIRM = "UPDATE validations SET confirmed = 1 WHERE name = ?"
_SUCCEED = "UPDATE subscriptions SET state = 'Succeeded', failed_after = NULL WHERE name = ? AND failed_after >= ?"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscription that gets events."""

    name: str
    subscription: Subscription | None  # None: one of the function app's own
    signing_secret: str | None


class SubscriptionTable:
    """Reads and writes them; part of LocalEventGrid."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @property
    def changed(self) -> Signal:
        """Notified when a subscription came, changed or went."""
        return signal_for(self._database.path, "subscriptions")

    async def set_system(
        self, topics: Mapping[str, str], event_types: Mapping[str, Collection[str]] | None = None
    ) -> None:
        """Make the function app's own subscriptions exactly these (name -> topic), and drop what is owed to others that
        were there before. From then on events are kept for them, whether they are delivered yet or not: those of
        `event_types` (name -> types), or all for a name without types."""
        types = [(name, each) for name, included in (event_types or {}).items() for each in included]

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(_DROP_SYSTEM, (json.dumps(list(topics)),))
            connection.executemany(_PUT_SYSTEM, topics.items())
            connection.execute("DELETE FROM system_event_types")
            connection.executemany("INSERT INTO system_event_types VALUES (?, ?)", types)
            _drop_orphans(connection)

        await self._database.write(write)
        self.changed.notify()

    async def active(self) -> tuple[Subscriber, ...]:
        """Those that get events now, the function app's own included, by name."""
        query = "SELECT name, document, signing_secret FROM subscriptions WHERE state = 'Succeeded' ORDER BY name"
        rows = await self._database.read_briefly(lambda connection: connection.execute(query).fetchall())
        return tuple(Subscriber(name, _parsed(document), secret) for name, document, secret in rows)

    async def list(self) -> tuple[Subscription, ...]:
        """Those of other people, in every state, by name."""
        query = "SELECT document, state, failed_after FROM subscriptions WHERE document IS NOT NULL ORDER BY name"
        rows = await self._database.read_briefly(lambda connection: connection.execute(query).fetchall())
        now = micros(self._clock.now())
        return tuple(_with_state(document, state, failed_after, now) for document, state, failed_after in rows)

    async def delete(self, name: str) -> bool:
        """Delete it with all that is owed to it; False when there is none, or it is the function app's own."""

        def write(connection: sqlite3.Connection) -> bool:
            delete = "DELETE FROM subscriptions WHERE name = ? AND document IS NOT NULL"
            found = connection.execute(delete, (name,)).rowcount > 0
            connection.execute("DELETE FROM validations WHERE name = ?", (name,))
            _drop_orphans(connection)
            return found

        found = await self._database.write(write)
        self.changed.notify()
        return found

    async def begin_validation(self, name: str) -> str:
        """A new code that proves the endpoint of `name`; it is good for 5 minutes, and a former one no longer."""
        code = secrets.token_urlsafe(32)
        row = (name, code, micros(self._clock.now() + timedelta(seconds=VALIDATION_TIME_S)))
        insert = "INSERT OR REPLACE INTO validations (name, code, expires_at) VALUES (?, ?, ?)"
        await self._database.write(lambda connection: connection.execute(insert, row).rowcount)
        return code

    async def finish_validation(
        self, subscription: Subscription, code: str, *, proved: bool, signing_secret: str | None
    ) -> Subscription | None:
        """Keep the subscription: Succeeded when its endpoint is `proved` or the validation URL was opened already, else
        AwaitingManualAction. None, and nothing kept, when another change of it overtook this one."""
        document = json.dumps(asdict(replace(subscription, state="", state_reason="")))

        def write(connection: sqlite3.Connection) -> tuple[str, int | None] | None:
            row = connection.execute(
                "SELECT code, expires_at, confirmed FROM validations WHERE name = ?", (name,)
            ).fetchone()
            if row is None or not hmac.compare_digest(row[0], code):
                return None
            done = proved or bool(row[2])
            state, failed_after = ("Succeeded", None) if done else ("AwaitingManualAction", row[1])
            values = {"name": name, "state": state, "document": document, "failed_after": failed_after}
            connection.execute(_PUT, {**values, "signing_secret": signing_secret})
            after = "DELETE FROM validations" if done else "UPDATE validations SET awaited = 1"
            connection.execute(f"{after} WHERE name = ?", (name,))
            return state, failed_after

        name = subscription.name
        kept = await self._database.write(write)
        self.changed.notify()
        return _with_state(document, *kept, micros(self._clock.now())) if kept else None

    async def confirm(self, name: str, code: str) -> bool:
        """Somebody opened the validation URL: whether its code was right and in time. The subscription now Succeeds."""
        now = micros(self._clock.now())

        def write(connection: sqlite3.Connection) -> bool:
            query = "SELECT code, expires_at, awaited FROM validations WHERE name = ?"
            row = connection.execute(query, (name,)).fetchone()
            if row is None or not hmac.compare_digest(row[0].encode(), code.encode(errors="replace")) or row[1] < now:
                return False
            connection.execute(_CONFIRM, (name,))
            if row[2]:
                connection.execute(_SUCCEED, (name, now))
            return True

        confirmed = await self._database.write(write)
        self.changed.notify()
        return confirmed

    async def announce(self, base_url: str) -> None:
        """Note where the local host listens (http://127.0.0.1:PORT): validation URLs start with it."""
        insert = "INSERT OR REPLACE INTO announcements (name, value) VALUES ('base_url', ?)"
        await self._database.write(lambda connection: connection.execute(insert, (base_url.rstrip("/"),)).rowcount)

    async def base_url(self) -> str:
        """Where the local host listens; the Functions host's usual port when it never said."""
        query = "SELECT value FROM announcements WHERE name = 'base_url'"
        row = await self._database.read_briefly(lambda connection: connection.execute(query).fetchone())
        return str(row[0]) if row else DEFAULT_BASE_URL


def subscribers(connection: sqlite3.Connection, topic: str) -> list[tuple[str, Subscription | None]]:
    """Who gets events of the topic, within a transaction: names with the filters (None: everything)."""
    query = """SELECT name, document, (SELECT json_group_array(type) FROM system_event_types t WHERE t.name = s.name)
        FROM subscriptions s WHERE topic = ? AND state = 'Succeeded'"""
    rows = connection.execute(query, (topic,)).fetchall()
    return [(name, _parsed(document) if document else _of_types(name, types)) for name, document, types in rows]


@lru_cache(maxsize=64)
def _of_types(name: str, types: str) -> Subscription | None:
    """The filter of one of the function app's own; None when it gets everything."""
    included = tuple(json.loads(types))
    return Subscription(name, "", included_event_types=included) if included else None


@lru_cache(maxsize=1024)
def _parsed(document: str | None) -> Subscription | None:
    if document is None:
        return None
    values = json.loads(document)
    for name in ("included_event_types", "advanced_filters"):
        values[name] = tuple(values[name])
    return Subscription(**values)


def _with_state(document: str, state: str, failed_after: int | None, now: int) -> Subscription:
    subscription = _parsed(document)
    assert subscription is not None
    if state != "AwaitingManualAction" or failed_after is None:
        return replace(subscription, state=state)
    if failed_after < now:
        reason = "nobody opened the validation URL within 5 minutes; subscribe again"
        return replace(subscription, state="Failed", state_reason=reason)
    return replace(subscription, state=state, state_reason="the validation URL in the validation event must be opened")


def _drop_orphans(connection: sqlite3.Connection) -> None:
    connection.execute(_DROP_DELIVERIES)
    connection.execute(_DROP_EVENTS)


def micros(time: datetime) -> int:
    """Microseconds since 1970."""
    return round(time.timestamp() * 1_000_000)
