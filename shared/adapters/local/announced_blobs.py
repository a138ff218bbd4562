"""Which states of which uploads were announced, so that each is announced once in normal life (data_dir/watcher.db)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.adapters.local.sqlite import Database

_SCHEMA = "CREATE TABLE IF NOT EXISTS announced (path TEXT PRIMARY KEY, etag TEXT NOT NULL) WITHOUT ROWID;"


class AnnouncedBlobs:
    """Path and ETag of the last announced state of each upload. Shared by the blob endpoint and the watcher."""

    def __init__(self, data_dir: Path, container: str = "uploads") -> None:
        name = "watcher.db" if container == "uploads" else f"watcher-{container}.db"
        self._database = Database(data_dir / name, _SCHEMA)
        self._etags: dict[str, str] | None = None  # what the table holds, read at first use
        self._claimed: set[tuple[str, str]] = set()

    async def etags(self) -> Mapping[str, str]:
        """The ETag by path. The object changes with later notes."""
        if self._etags is None:
            self._etags = await self._database.read(_select_all)
        return self._etags

    def is_claimed(self, path: str, etag: str) -> bool:
        """Whether somebody is announcing it now."""
        return (path, etag) in self._claimed

    @contextmanager
    def claim(self, path: str, etag: str) -> Iterator[None]:
        """Within it, nobody else in this process announces this state."""
        self._claimed.add((path, etag))
        try:
            yield
        finally:
            self._claimed.discard((path, etag))

    async def note(self, announced: Mapping[str, str]) -> None:
        """Remember, once it is on disk, that these (path -> ETag) were announced. Nothing happens for none."""
        if not announced:
            return
        etags = await self.etags()
        rows = list(announced.items())
        await self._database.write(
            lambda connection: connection.executemany("INSERT OR REPLACE INTO announced VALUES (?, ?)", rows)
        )
        self._etags = {**etags, **announced}

    async def forget(self, paths: Collection[str]) -> None:
        """Remember nothing of these any more."""
        if not paths:
            return
        etags = await self.etags()
        await self._database.write(
            lambda connection: connection.executemany("DELETE FROM announced WHERE path = ?", [(p,) for p in paths])
        )
        gone = set(paths)
        self._etags = {path: etag for path, etag in etags.items() if path not in gone}

    async def close(self) -> None:
        """Close the file; it may be used again."""
        await self._database.close()


def _select_all(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT path, etag FROM announced").fetchall())


_shared: dict[str, AnnouncedBlobs] = {}


def announced_in(data_dir: Path, container: str = "uploads") -> AnnouncedBlobs:
    """The one of this container of the data folder: the same object for the same within this process."""
    return _shared.setdefault(f"{data_dir.absolute()}/{container}", AnnouncedBlobs(data_dir, container))
