"""The keys of endpoints on this machine: a file each, in a folder that only its owner can enter."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from shared.errors import Invalid, Permanent
from shared.resources.endpoint_credentials import EndpointCredentials

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}")


class LocalCredentials:
    """An EndpointCredentialStore."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def update(
        self, endpoint: str, change: Callable[[EndpointCredentials | None], EndpointCredentials]
    ) -> EndpointCredentials:
        """See EndpointCredentialStore."""
        if not _NAME.fullmatch(endpoint):
            raise Invalid(f"{endpoint[:80]!r} is no endpoint's name", remedy="use letters, digits, '-', '.' or '_'")
        return await asyncio.to_thread(self._updated, endpoint, change)

    def _updated(
        self, endpoint: str, change: Callable[[EndpointCredentials | None], EndpointCredentials]
    ) -> EndpointCredentials:
        path = self._folder / f"{endpoint}.json"
        with self._locked():
            before = _read(path)
            after = change(before)
            if after != before:
                write_private(path, after.model_dump_json(indent=2))
        return after

    async def keep_only(self, endpoints: frozenset[str], before: datetime) -> None:
        """See EndpointCredentialStore."""
        if self._folder.is_dir():
            await asyncio.to_thread(self._forget, endpoints, before)

    def _forget(self, endpoints: frozenset[str], before: datetime) -> None:
        with self._locked():
            for path in self._folder.glob("*.json"):
                if path.stem not in endpoints and _is_older(path, before):
                    path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, of all processes; the lock ends with its process."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_older(path: Path, before: datetime) -> bool:
    """Whether its keys were made for an endpoint of before; a damaged file stays for somebody to look at."""
    try:
        kept = _read(path)
    except Permanent:
        return False
    return kept is not None and kept.made_for < before


def _read(path: Path) -> EndpointCredentials | None:
    try:
        return EndpointCredentials.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        # Without its cause, whose text holds the file's content. New keys would silently lock every caller out.
        raise Permanent(f"{path} is damaged", remedy="restore it, or delete it to get new keys") from None


def write_private(path: Path, text: str) -> None:
    """Replace a file, whole or not at all, by one that only its owner can read."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # else a power failure may leave an empty file under the final name
    partial.replace(path)
