"""A file that is being written: nobody sees it before it is whole, on disk and hashed.

Its methods block: call them in a thread. They are not thread-safe, but `hash` may run beside `append`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from shared.errors import NotFound, Retryable

Buffer: TypeAlias = bytes | bytearray | memoryview
FOLDER = "tmp"
SYNC_EVERY_BYTES = 64 << 20  # written back while more arrives, so that the last fsync has little left to do
_syncing = ThreadPoolExecutor(4, thread_name_prefix="fdatasync")


class TemporaryName:
    """A file in data_dir/tmp that may be published under its real name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def replace(self, folder: int, name: str) -> None:
        """Publish it as `name` in the open folder, in the place of what is there. OSError when a folder is there."""
        os.rename(self.path, name, dst_dir_fd=folder)
        os.fsync(folder)

    def link(self, folder: int, name: str) -> None:
        """Publish it as `name` in the open folder. FileExistsError when the name is taken."""
        os.link(self.path, name, dst_dir_fd=folder)
        os.fsync(folder)


class PartialFile(TemporaryName):
    """A temporary file in data_dir/tmp. Use it with `with`: what was not published is removed."""

    def __init__(self, data_dir: Path) -> None:
        self._descriptor, path = _create_locked(_folder_in(data_dir))
        super().__init__(path)
        self._digest = hashlib.sha256()
        self._sync: Future[None] | None = None
        self._unsynced_bytes = 0
        self.size_bytes = 0

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()

    def write(self, data: Buffer) -> None:
        """Append and hash."""
        self.append(data)
        self.hash(data)

    def append(self, data: Buffer) -> None:
        """Append without hashing. Raises Retryable when the disk is full."""
        rest = memoryview(data)
        with disk_errors():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self.size_bytes += len(data)
        self._unsynced_bytes += len(data)
        if self._unsynced_bytes >= SYNC_EVERY_BYTES and (self._sync is None or self._sync.done()):
            self._sync = _syncing.submit(os.fdatasync, self._descriptor)
            self._unsynced_bytes = 0

    def hash(self, data: Buffer) -> None:
        """Hash without appending; the order must be that of `append`."""
        self._digest.update(data)

    def seal(self) -> tuple[str, os.stat_result]:
        """Bring it to the disk; its SHA-256 (hexadecimal) and its state, which publishing keeps."""
        self._await_sync()
        with disk_errors():
            os.fsync(self._descriptor)
        return self._digest.hexdigest(), os.fstat(self._descriptor)

    def set_read_only(self) -> None:
        """Mode 0444."""
        os.fchmod(self._descriptor, 0o444)

    def discard(self) -> None:
        """Close it, and remove it unless it was published by `replace`. Doing it again does nothing."""
        if self._descriptor < 0:
            return
        self._await_sync()
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def _await_sync(self) -> None:
        sync, self._sync = self._sync, None
        if sync is not None:
            with disk_errors():
                sync.result()


@contextmanager
def linked_file(data_dir: Path, folder: int, name: str) -> Iterator[TemporaryName]:
    """A second name for a file that is there; it is removed at the end. Raises NotFound when there is none."""
    path = _new_path(_folder_in(data_dir))
    try:
        os.link(name, path, src_dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError as error:
        raise NotFound(f"{name} is gone") from error
    try:
        yield TemporaryName(path)
    finally:
        path.unlink(missing_ok=True)


def remove_stale(data_dir: Path) -> int:
    """Remove the temporary files of processes that are gone; how many. Files that are being written stay: their
    writers hold a lock, which ends with the process."""
    removed = 0
    for path in (data_dir / FOLDER).glob("*.part"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # gone meanwhile, or not a file of ours
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            removed += 1
        except BlockingIOError:
            continue  # its writer lives
        finally:
            os.close(descriptor)
    return removed


def _folder_in(data_dir: Path) -> Path:
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _new_path(folder: Path) -> Path:
    return folder / f"{os.getpid()}-{secrets.token_hex(8)}.part"


def _create_locked(folder: Path) -> tuple[int, Path]:
    while True:
        path = _new_path(folder)
        with disk_errors():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor, path
        except BlockingIOError:
            pass  # another process is just removing it as stale, before it was locked
        os.close(descriptor)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Within it, a full or failing disk, or a file that this user may not touch, is Retryable."""
    try:
        yield
    except OSError as error:
        raise Retryable(
            f"the data folder cannot be used now: {error.strerror}", remedy="check its free space and its permissions"
        ) from error
