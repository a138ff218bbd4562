"""The folders that stand for blob containers. Every part of a path is opened without following links, relative to the
part before it, so a link that is put there at any moment leads nowhere. All functions block: call them in a thread.

    data_dir/uploads, data_dir/staging      the containers
    data_dir/received/{etag}                SHA-256 of a blob that came through the blob endpoint, so is complete
    data_dir/artifacts/sha256/ab/cdef...    artifacts, mode 0444
    data_dir/tmp                            files that are being written (partial_file)
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.blob_paths import is_sha256
from shared.adapters.local.partial_file import PartialFile, TemporaryName, disk_errors
from shared.errors import AlreadyExists, Invalid, NotFound, Retryable
from shared.paths import is_valid_part, is_valid_path
from shared.ports import BlobInfo, Container

RECEIVED = "received"
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_unreadable: set[str] = set()  # folders that were warned of
_log = logging.getLogger(__name__)
_ATTEMPTS = 5  # of creating a folder that another process removes because it was empty


def etag_of(state: os.stat_result) -> str:
    """Changes whenever the file is written or replaced; the same before and after a rename."""
    return f"{state.st_mtime_ns:x}-{state.st_size:x}-{state.st_ino:x}"


def blob_etag(data_dir: Path, state: os.stat_result) -> str:
    """The ETag of a blob. Of what did not come through the endpoint the time of the last change of status is a part:
    `cp -p` sets the rest, and the inode of a removed file is given to the next one."""
    etag = etag_of(state)
    return etag if received_sha256(data_dir, etag) else f"{etag}-{state.st_ctime_ns:x}"


def info_of(path: str, state: os.stat_result, etag: str) -> BlobInfo:
    """The blob's description. A dropped file is as old as its arrival, which `cp -p`, tar or rsync cannot set."""
    modified_at = datetime.fromtimestamp(state.st_mtime if etag == etag_of(state) else state.st_ctime, UTC)
    return BlobInfo(path=path, etag=etag, size_bytes=state.st_size, modified_at=modified_at)


def is_settled(state: os.stat_result, settle_s: float) -> bool:
    """Whether nothing has changed the file for settle_s: whoever copies it there has finished. The time of the last
    change of status is what counts: copying with the old times (cp -p) cannot set it."""
    return time.time() - state.st_ctime >= settle_s


def is_open_for_writing(descriptor: int) -> bool:
    """Whether anybody has the file open to write: one that pauses looks as if it had finished, but the system knows
    (fcntl(2), F_SETLEASE). False where it cannot tell (another owner's file, NFS): there the settling time must do."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return False
    return False


@contextmanager
def open_parent(root: Path, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The open folder of a checked path, and the last part. Raises NotFound when a folder is missing, Invalid when
    one is a link or a file."""
    *folders, name = path.split("/")
    with disk_errors():
        if create:
            root.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(root, _FOLDER_FLAGS)
        except FileNotFoundError as error:
            raise NotFound(f"there is no blob {path}") from error
    try:
        for folder in folders:
            below = _open_folder(descriptor, folder, path, create=create)
            os.close(descriptor)
            descriptor = below
        yield descriptor, name
    finally:
        os.close(descriptor)


def _open_folder(parent: int, name: str, path: str, *, create: bool) -> int:
    with disk_errors():
        for _ in range(_ATTEMPTS):
            try:
                return os.open(name, _FOLDER_FLAGS, dir_fd=parent)
            except FileNotFoundError as error:
                if not create:
                    raise NotFound(f"there is no blob {path}") from error
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise Invalid(f"{name!r} in {path} is not a folder, and links are not followed") from error
                raise
            _make_folder(parent, name)
    raise NotFound(f"the folder of {path} is being removed again and again")


def _make_folder(parent: int, name: str) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
        os.fsync(parent)
    except FileExistsError:
        pass  # another process made it


def open_descriptor(root: Path, path: str) -> int:
    """A descriptor to read a regular file. Raises NotFound; a link counts as not there."""
    with open_parent(root, path) as (folder, name), disk_errors():
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG):
                raise NotFound(f"there is no blob {path}") from error
            raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotFound(f"there is no blob {path}")


@contextmanager
def open_blob(root: Path, path: str) -> Iterator[int]:
    """`open_descriptor`, closed at the end."""
    descriptor = open_descriptor(root, path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_path_open_for_writing(root: Path, path: str) -> bool:
    """`is_open_for_writing` of a blob; False when it is gone, or not ours to open."""
    try:
        with open_blob(root, path) as descriptor:
            return is_open_for_writing(descriptor)
    except (NotFound, Invalid, PermissionError):
        return False


def publish(file: TemporaryName, root: Path, path: str, *, must_be_new: bool = False) -> None:
    """Give a sealed file its path at once, in the place of what was there. Raises AlreadyExists when a folder has
    that name, or anything has and it must be new."""
    for attempt in range(_ATTEMPTS):
        with disk_errors():
            try:
                with open_parent(root, path, create=True) as (folder, name):
                    file.link(folder, name) if must_be_new else file.replace(folder, name)
                return
            except FileNotFoundError:  # the empty folder was removed between opening it and now
                if attempt == _ATTEMPTS - 1:
                    raise
            except (FileExistsError, IsADirectoryError) as error:
                raise AlreadyExists(f"{path} is already there") from error


def scan(root: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file whose path starts with `prefix`, in no order: (path, state). Hidden files, links and names
    that break PATH_RULE are left out."""
    folder = prefix.rpartition("/")[0]
    if folder and not is_valid_path(folder):
        return
    for path, state in _scan_folder(root, f"{folder}/" if folder else ""):
        if path.startswith(prefix):
            yield path, state


def _scan_folder(root: Path, below: str) -> Iterator[tuple[str, os.stat_result]]:
    waiting = [below]
    while waiting:
        below = waiting.pop()
        try:
            with open_parent(root, f"{below}.") as (folder, _), os.scandir(folder) as entries:
                for entry in entries:
                    if not is_valid_part(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{below}{entry.name}/")
                    elif state := _state_of(entry, below):
                        yield below + entry.name, state
        except (NotFound, Invalid):
            continue  # the folder was removed, or replaced by a link, meanwhile
        except Retryable as error:
            if below not in _unreadable:
                _unreadable.add(below)
                _log.warning("the folder %r in %s is left out: %s", below, root.name, error)


def _state_of(entry: os.DirEntry[str], below: str) -> os.stat_result | None:
    if not entry.is_file(follow_symlinks=False) or not is_valid_path(below + entry.name):
        return None
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # removed meanwhile


def note_received(data_dir: Path, etag: str, sha256: str) -> None:
    """Remember the digest of a file that is about to be published. It only saves work, so it is not synced."""
    folder = data_dir / RECEIVED
    folder.mkdir(parents=True, exist_ok=True)
    (folder / etag).write_text(sha256)


def receive(
    data_dir: Path,
    container: Container,
    path: str,
    file: PartialFile,
    sha256: str,
    state: os.stat_result,
    *,
    must_be_new: bool = False,
) -> None:
    """Publish a sealed file with this digest and state, complete at once. Raises AlreadyExists as `publish` does."""
    root, etag = data_dir / container, etag_of(state)
    former = _current_etag(root, path)
    note_received(data_dir, etag, sha256)
    try:
        publish(file, root, path, must_be_new=must_be_new)
    except BaseException:
        forget_received(data_dir, etag)
        raise
    if former is not None:
        forget_received(data_dir, former)


def _current_etag(root: Path, path: str) -> str | None:
    try:
        with open_blob(root, path) as descriptor:
            return etag_of(os.fstat(descriptor))
    except NotFound:
        return None


def received_sha256(data_dir: Path, etag: str) -> str | None:
    """The digest of exactly this state of a file, or None when it did not come through the endpoint."""
    try:
        text = (data_dir / RECEIVED / etag).read_text()
    except FileNotFoundError:
        return None
    return text if is_sha256(text) else None  # half or zeros after a crash


def forget_received(data_dir: Path, etag: str) -> None:
    """Nothing happens when it is not there."""
    (data_dir / RECEIVED / etag).unlink(missing_ok=True)


def remove_stale_received(data_dir: Path, *, older_than_s: float = 3600) -> int:
    """Forget the digests of blobs that are no longer there; how many. Young ones stay: their blob may be coming."""
    known = {etag_of(state) for container in ("uploads", "staging") for _, state in scan(data_dir / container)}
    folder, removed = data_dir / RECEIVED, 0
    for entry in os.scandir(folder) if folder.is_dir() else ():
        if entry.name not in known and is_settled(entry.stat(follow_symlinks=False), older_than_s):
            forget_received(data_dir, entry.name)
            removed += 1
    return removed
