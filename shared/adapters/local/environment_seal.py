"""Seals a built environment, so that one that is not whole, or was changed since, is never used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from shared.resources.base import Document

SEAL = "slipway-environment.json"  # in the environment's own folder: it comes and goes with it
_LEFT_OUT = "__pycache__"  # Python writes there when the environment is used


class Seal(Document):
    """What the environment was when it was built."""

    identity: str  # of its recipe
    digest: str  # SHA-256 over path, size and time of every file
    files: int  # how many there are
    size_bytes: int  # what they take


def seal(folder: Path, identity: str) -> Seal:
    """Seal the environment in `folder`; comes out what was written."""
    made = _look(folder, identity)
    (folder / SEAL).write_text(made.model_dump_json())
    return made


def sealed(folder: Path, identity: str) -> Seal | None:
    """The seal of a whole, unchanged environment; None when there is none, or it is not what was sealed."""
    try:
        written = Seal.model_validate(json.loads((folder / SEAL).read_text()))
    except (OSError, ValueError):
        return None
    return written if written.identity == identity and _look(folder, identity) == written else None


def _look(folder: Path, identity: str) -> Seal:
    digest, files, size_bytes = hashlib.sha256(), 0, 0
    for path, found in sorted(_files(str(folder), "")):
        digest.update(path.encode(errors="surrogateescape") + b"\0%d %d\n" % (found.st_size, found.st_mtime_ns))
        files += 1
        size_bytes += found.st_size
    return Seal(identity=identity, digest=digest.hexdigest(), files=files, size_bytes=size_bytes)


def _files(folder: str, below: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != _LEFT_OUT:
                    yield from _files(entry.path, f"{path}/")
            elif path != SEAL:
                yield path, entry.stat(follow_symlinks=False)
