"""The data folder of a running installation: held by one process, and telling others where to find it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from shared.errors import Permanent

LOCK_FILE = "up.lock"
ENDPOINT_FILE = "endpoint.json"
POLICIES = "policies"
SCRATCH = "scratch"


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the folder, which is made when it is not there; the system lets go when the process dies. Raises Permanent
    when another process holds it, or it cannot be written."""
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)  # models, history and names of people are nobody else's business
        (data_dir / POLICIES).mkdir(exist_ok=True)  # where people put theirs
        descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Permanent(f"{data_dir} cannot be used as data folder: {error.strerror}") from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Permanent(
                f"{data_dir} is in use by another `slipway up` (process {file.read().strip() or 'unknown'})",
                remedy="stop it, or use another folder with --data-dir",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def scratch(data_dir: Path) -> Iterator[None]:
    """The process's temporary files lie in the folder while this lasts, for who holds it: what one left that was killed
    goes first. Processes that it starts have theirs elsewhere: they may outlive it."""
    path = data_dir / SCRATCH
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, exist_ok=True)
    before, tempfile.tempdir = tempfile.tempdir, str(path)
    try:
        yield
    finally:
        tempfile.tempdir = before


@contextlib.contextmanager
def announced(data_dir: Path, url: str) -> Iterator[None]:
    """endpoint.json says {"url", "pid"} while this lasts. After a crash it stays: who reads it checks that the url
    answers."""
    path = data_dir / ENDPOINT_FILE
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    temporary.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
