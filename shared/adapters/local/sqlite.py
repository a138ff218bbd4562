"""One SQLite file, one thread, one transaction for all that is waiting.

aiosqlite would hop to the thread once a statement; here one hop carries a whole transaction, and the writes that wait
while one fsync runs share the next one (group commit), each in its own savepoint, so one that fails undoes only itself.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from shared.errors import Permanent, Retryable, SlipwayError

T = TypeVar("T")
MAX_GROUP = 64
BUSY_TIMEOUT_S = 30.0
OPEN_RETRY_S = 0.01
CACHE_KIB = 32 * 1024  # SQLite's 2 MB do not hold the inner pages of the indexes of 100,000 versions
# SQLite's 1000 pages are full after some twenty registrations, each of which touches other pages of a large file.
CHECKPOINT_PAGES = 8000


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    writes: bool
    synced: bool = True  # whether it must be on disk when it is answered
    future: Future[Any] = field(default_factory=Future)


class Database:
    """A file in WAL mode with synchronous=FULL: what was answered survives a power cut, unless the write says it need
    not. Opened at first use."""

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work(connection)` returns. It sees every write that was answered before."""
        result: T = await self._submit(_Job(work, writes=False))
        return result

    async def read_row(self, sql: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The first row of a statement that finds it by its key, or None; it sees every write that was answered before.

        Done in the calling thread: such a read takes 4 microseconds, to wake the other thread for it 30 to 130."""

        def read(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(sql, values).fetchall()  # all: an open statement would hold its snapshot

        try:
            rows = read(self._reader) if self._reader else await self.read(read)  # the thread makes the file at first
        except sqlite3.Error:  # locked for a moment, or damaged: the thread waits, or says so
            rows = await self.read(read)
        if self._reader is None:
            with suppress(sqlite3.Error):  # then the next read goes to the thread, too
                self._reader = sqlite3.connect(self.path, isolation_level=None, timeout=0, check_same_thread=False)
        return rows[0] if rows else None

    async def write(self, work: Callable[[sqlite3.Connection], T], *, synced: bool = True) -> T:
        """What `work(connection)` returns, once it is on disk; when it raises, nothing of it is kept.

        With `synced` False a power cut (not the end of this process) may undo it, until the next synced write: for
        notes that something was done, where doing it again does no harm."""
        result: T = await self._submit(_Job(work, writes=True, synced=synced))
        return result

    async def close(self) -> None:
        """Finish what waits, then close the file. It may be used again afterwards."""
        with self._start_lock:
            thread, self._thread = self._thread, None
            jobs, self._jobs = self._jobs, queue.SimpleQueue()
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        if thread is not None:
            jobs.put(None)
            await asyncio.to_thread(thread.join)

    async def _submit(self, job: _Job) -> Any:
        with self._start_lock:  # put under the lock: a thread that cannot open the file refuses all that was put before
            self._jobs.put(job)
            if self._thread is None:
                name = f"sqlite {self.path.name}"
                self._thread = threading.Thread(target=self._serve, args=(self._jobs,), name=name, daemon=True)
                self._thread.start()
        return await asyncio.wrap_future(job.future)

    def _serve(self, jobs: queue.SimpleQueue[_Job | None]) -> None:
        try:
            connection = self._open()
        except (sqlite3.Error, OSError) as error:
            refusal = Permanent(f"{self.path} cannot be opened: {error}", remedy="check the path, or restore it")
            self._refuse_all(jobs, refusal)
            return
        try:
            while (job := jobs.get()) is not None:
                group = _next_group(jobs, job)
                self._run_group(connection, [j for j in group if j is not None])
                if None in group:
                    return
        finally:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        end = time.monotonic() + BUSY_TIMEOUT_S
        while True:  # the switch to WAL does not wait for another process that makes the same switch
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
                connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
                connection.executescript(f"BEGIN IMMEDIATE; {self._schema}; COMMIT")
                return connection
            except sqlite3.OperationalError as error:
                if not isinstance(translate(error), Retryable) or time.monotonic() > end:
                    raise
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            time.sleep(OPEN_RETRY_S)

    def _refuse_all(self, jobs: queue.SimpleQueue[_Job | None], error: SlipwayError) -> None:
        with self._start_lock:
            if self._jobs is jobs:
                self._thread = None
            while not jobs.empty():
                job = jobs.get_nowait()
                if job is not None:
                    _settle(job, error=error)

    def _run_group(self, connection: sqlite3.Connection, group: list[_Job]) -> None:
        writes = [job for job in group if job.writes]
        if writes:
            _write_all(connection, writes)
        for job in group:
            if not job.writes:
                result, error = _attempt(connection, job)
                _settle(job, result, error)


def _next_group(jobs: queue.SimpleQueue[_Job | None], first: _Job) -> list[_Job | None]:
    """The writes that wait, up to the first that is none; None stands for the end."""
    group: list[_Job | None] = [first]
    while first.writes and len(group) < MAX_GROUP and not jobs.empty():
        last = jobs.get_nowait()
        group.append(last)
        if last is None or not last.writes:
            break
    return group


class _RolledBack(Exception):
    """SQLite undid the whole transaction because of this error."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _write_all(connection: sqlite3.Connection, jobs: list[_Job]) -> None:
    outcomes: list[tuple[Any, BaseException | None]] = []
    try:
        # sqlite.org, "PRAGMA synchronous": with NORMAL, a commit to the WAL is not synced and stays consistent.
        connection.execute(f"PRAGMA synchronous={'FULL' if any(job.synced for job in jobs) else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            connection.execute("SAVEPOINT job")
            result, error = _attempt(connection, job)
            if error is not None and not connection.in_transaction:
                raise _RolledBack(error)  # a full disk undoes the whole transaction
            if error is not None:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            outcomes.append((result, error))
        connection.execute("COMMIT")
    except (sqlite3.Error, _RolledBack) as failure:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        translated = failure.error if isinstance(failure, _RolledBack) else translate(failure)
        outcomes = [(None, error or translated) for _, error in outcomes]
        outcomes += [(None, translated)] * (len(jobs) - len(outcomes))
    for job, (result, error) in zip(jobs, outcomes, strict=True):
        _settle(job, result, error)


def _attempt(connection: sqlite3.Connection, job: _Job) -> tuple[Any, BaseException | None]:
    try:
        return job.work(connection), None
    except sqlite3.Error as error:
        return None, translate(error)
    except Exception as error:  # noqa: BLE001 - handed to the awaiting caller, whose error it is
        return None, error


def _settle(job: _Job, result: Any = None, error: BaseException | None = None) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    if error is not None:
        job.future.set_exception(error)
    else:
        job.future.set_result(result)


def translate(error: sqlite3.Error) -> SlipwayError:
    """SQLite's error as Slipway's: locked, busy or full may pass, everything else stays."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR")):
        return Retryable(f"the database is not available now ({name}: {error})")
    return Permanent(f"the database refused: {name}: {error}", remedy="if it is damaged, restore the data folder")
