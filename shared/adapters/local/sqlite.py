"""One SQLite file: statements in the event loop's own thread, the wait for the disk in another, one for all that wait.

SQLite's statements take microseconds, but in another thread each of them hands Python's interpreter lock over and back,
which costs more than the statement. So only what waits (COMMIT's fsync, opening, long reads) leaves the event loop. The
writes that wait while one fsync runs share the next one (group commit), each in its own savepoint, so one that fails
undoes only itself.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from shared.errors import Permanent, Retryable, SlipwayError

T = TypeVar("T")
MAX_GROUP = 64
BUSY_TIMEOUT_S = 30.0
BUSY_RETRY_S = 0.01
CACHE_KIB = 32 * 1024  # SQLite's 2 MB do not hold the inner pages of the indexes of 100,000 versions
# SQLite's 1000 pages are full after some twenty registrations, each of which touches other pages of a large file.
CHECKPOINT_PAGES = 8000


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    synced: bool  # whether it must be on disk when it is answered
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None

    def attempt(self, connection: sqlite3.Connection) -> None:
        """Do the work; what comes out, or goes wrong, is kept."""
        try:
            self.result = self.work(connection)
        except sqlite3.Error as error:
            self.error = translate(error)
        except Exception as error:  # noqa: BLE001 - handed to the awaiting caller, whose error it is
            self.error = error

    def settle(self) -> None:
        """Answer who awaits it, if anybody still does."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Database:
    """A file in WAL mode with synchronous=FULL: what was answered survives a power cut, unless the write says it need
    not. Opened at first use, and used by one event loop at a time."""

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._waiting: deque[_Job] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._writer: sqlite3.Connection | None = None
        self._is_synced = True  # the writer's present `synchronous`
        self._reader: sqlite3.Connection | None = None  # for reads in the event loop's thread
        self._long_reader: sqlite3.Connection | None = None  # for reads in the readers' thread
        self._commits = _one_thread(f"sqlite {path.name} commits")
        self._reads = _one_thread(f"sqlite {path.name} reads")

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work(connection)` returns, done in another thread. It sees every write that was answered before."""
        await self._opened()

        def read() -> T:
            if self._long_reader is None:
                self._long_reader = sqlite3.connect(
                    self.path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
                )
                self._long_reader.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            try:
                return work(self._long_reader)
            except sqlite3.Error as error:
                raise translate(error) from error

        return await asyncio.wrap_future(self._reads.submit(read))

    async def read_briefly(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `read`, done in the calling thread: for a few rows that an index finds. Such a read takes microseconds, to
        wake another thread for it 30 to 130."""
        if self._reader is None:
            await self._opened()
            with suppress(sqlite3.Error):
                self._reader = sqlite3.connect(self.path, isolation_level=None, timeout=0, check_same_thread=False)
        if self._reader is not None:
            with suppress(sqlite3.Error):  # locked for a moment, or damaged: `read` waits, or says so
                return work(self._reader)
        return await self.read(work)

    async def read_row(self, sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The first row of a statement that finds it by its key, or None; it sees every write that was answered
        before."""
        rows = await self.read_briefly(lambda connection: connection.execute(sql, values).fetchall())
        return rows[0] if rows else None  # all were fetched: an open statement would hold its snapshot

    async def write(self, work: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> T:
        """What `work(connection)` returns, once it is on disk; when it raises, nothing of it is kept.

        With `synced` False a power cut (not the end of this process) may undo it, until the next synced write: for
        notes that something was done, where doing it again does no harm."""
        loop = asyncio.get_running_loop()
        job = _Job(work, synced, loop.create_future())
        self._waiting.append(job)
        if self._writing is None or self._writing.done() or self._writing.get_loop() is not loop:
            self._writing = loop.create_task(self._write_what_waits())
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish what waits, then close the file. It may be used again afterwards."""
        if self._writing is not None and self._writing.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([self._writing])
        self._commits.shutdown()
        await asyncio.to_thread(self._reads.shutdown)
        for connection in (self._writer, self._reader, self._long_reader):
            if connection is not None:
                connection.close()
        self._writer = self._reader = self._long_reader = None
        self._commits = _one_thread(f"sqlite {self.path.name} commits")
        self._reads = _one_thread(f"sqlite {self.path.name} reads")

    async def _opened(self) -> sqlite3.Connection:
        """The writer's connection. Raises Permanent when the file cannot be opened."""
        return await self._in_thread(self._open) if self._writer is None else self._writer

    def _open(self) -> sqlite3.Connection:
        if self._writer is not None:  # this thread is the only one that makes it, for all who wait
            return self._writer
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = _connected(self.path, self._schema)
        except (sqlite3.Error, OSError) as error:
            remedy = "check the path, or restore it"
            raise Permanent(f"{self.path} cannot be opened: {error}", remedy=remedy) from error
        self._writer, self._is_synced = opened, True
        return opened

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """What `work` returns; when this is cancelled, `work` is not running any more."""
        future = self._commits.submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()
            concurrent.futures.wait([future])
            raise

    async def _write_what_waits(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
            try:
                await self._write(group)
            except sqlite3.Error as error:
                _fail_all(group, translate(error))
            except Exception as error:  # noqa: BLE001 - handed to who awaits the writes
                _fail_all(group, error)
            except asyncio.CancelledError:  # the event loop ends: who still waits is not left waiting
                for job in (*group, *self._waiting):
                    job.future.cancel()
                self._waiting.clear()
                raise
            for job in group:
                job.settle()

    async def _write(self, jobs: list[_Job]) -> None:
        """One transaction. Raises what undid it as a whole."""
        connection = await self._opened()
        try:
            await self._begin(connection, any(job.synced for job in jobs))
            for job in jobs:
                _attempt_alone(connection, job)
            await self._in_thread(lambda: connection.execute("COMMIT"))
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    async def _begin(self, connection: sqlite3.Connection, synced: bool) -> None:
        if synced != self._is_synced:
            # sqlite.org, "PRAGMA synchronous": with NORMAL, a commit to the WAL is not synced and stays consistent.
            connection.execute(f"PRAGMA synchronous={'FULL' if synced else 'NORMAL'}")
            self._is_synced = synced
        end = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:  # another process is writing
                if not isinstance(translate(error), Retryable) or time.monotonic() > end:
                    raise
            await asyncio.sleep(BUSY_RETRY_S)


def _one_thread(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)


def _connected(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    end = time.monotonic() + BUSY_TIMEOUT_S
    while True:  # the switch to WAL does not wait for another process that makes the same switch
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
            connection.executescript(f"BEGIN IMMEDIATE; {schema}; COMMIT")
            return connection
        except sqlite3.OperationalError as error:
            if not isinstance(translate(error), Retryable) or time.monotonic() > end:
                raise
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        time.sleep(BUSY_RETRY_S)


def _attempt_alone(connection: sqlite3.Connection, job: _Job) -> None:
    """Do the work of one job in a savepoint. Raises what undid the whole transaction (a full disk does)."""
    connection.execute("SAVEPOINT job")
    job.attempt(connection)
    if job.error is not None:
        if not connection.in_transaction:
            raise job.error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _fail_all(jobs: list[_Job], error: BaseException) -> None:
    for job in jobs:
        job.error = job.error or error


def translate(error: sqlite3.Error) -> SlipwayError:
    """SQLite's error as Slipway's: locked, busy or full may pass, everything else stays."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")):
        return Retryable(f"the database is not available now ({name}: {error})")
    return Permanent(f"the database refused: {name}: {error}", remedy="if it is damaged, restore the data folder")
