"""The scoring server as it is put into images: its own files, and the locked packages it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from shared.environments.lock import Pin, read_lock
from shared.packaging.entries import Entry, folder_entries

FOLDER = "opt/slipway/server"  # in the image
_PACKAGE = "shared"
LOCK = Path(__file__).with_name("server.lock")  # made by `make lock` of the extra `scoring`


def server_entries(below: str = FOLDER) -> Iterator[Entry]:
    """The server's files in the image: a package that imports nothing else of the project."""
    prefix = f"{below}/" if below else ""
    yield Entry(f"{prefix}{_PACKAGE}/__init__.py", b"")
    yield from folder_entries(Path(str(files("shared.scoring"))), f"{prefix}{_PACKAGE}/scoring")


def server_pins(without: Collection[str] = ()) -> tuple[Pin, ...]:
    """The locked packages the server needs, without those that are there: the environment's own are used."""
    return tuple(pin for pin in _all_pins() if pin.name not in without)


@cache
def _all_pins() -> tuple[Pin, ...]:
    return tuple(read_lock(LOCK.read_text()))


@cache
def server_identity() -> str:
    """SHA-256 over the server's files and the lock of its packages: what a new server makes a new image by."""
    digest = hashlib.sha256(LOCK.read_bytes())
    for entry in server_entries():
        content = entry.source.read_bytes() if isinstance(entry.source, Path) else entry.source or b""
        digest.update(f"{entry.target}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
