"""Builds on this machine: one process works on an identity at a time, in the background, and writes a log.

Who works on an identity holds a lock of the operating system, which a process that dies gives up.
"""

from __future__ import annotations

import asyncio
import fcntl
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Permanent, SlipwayError
from shared.ports import BuildProgress

BRIEF_S = 0.5  # how long a look waits for a build that may be done at once
MAX_LOG_BYTES = 1_000_000

Say = Callable[[str], None]  # writes a line of the log


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a build."""

    location: str
    size_bytes: int


class LocalBuilds:
    """The builds of one kind; their logs and locks are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: dict[str, tuple[str, asyncio.Task[Made]]] = {}  # identity -> run, and what it comes to

    def is_running(self, identity: str) -> bool:
        """Whether this process builds it, or has built it and nobody looked yet."""
        return identity in self._runs

    async def look(self, identity: str, make: Callable[[Say], Awaitable[Made]]) -> BuildProgress:
        """How far the build is; it is begun when this process has none. Raises what `make` raises, but for Permanent,
        which is a failed build."""
        if identity not in self._runs:
            self._runs[identity] = (secrets.token_hex(8), asyncio.create_task(self._when_alone(identity, make)))
        run_id, task = self._runs[identity]
        await asyncio.wait({task}, timeout=BRIEF_S)
        if not task.done():
            return BuildProgress("Running", run_id, self.log(identity))
        self._runs.pop(identity, None)
        if task.cancelled():
            return BuildProgress("Canceled", run_id, self.log(identity))
        if isinstance(error := task.exception(), Permanent):
            return BuildProgress("Failed", run_id, self.log(identity), reason=str(error))
        if error is not None:
            raise error
        made = task.result()
        return BuildProgress("Succeeded", run_id, self.log(identity), made.location, made.size_bytes)

    async def cancel(self, identity: str) -> None:
        """End the build; one of another process goes on, and is found when it is asked for again."""
        if (run := self._runs.pop(identity, None)) is not None:
            run[1].cancel()
            await asyncio.wait({run[1]})

    async def _when_alone(self, identity: str, make: Callable[[Say], Awaitable[Made]]) -> Made:
        while True:
            with self.alone(identity) as alone:
                if alone:
                    return await self._logged(identity, make)
            await asyncio.sleep(BRIEF_S)  # another process builds it

    async def _logged(self, identity: str, make: Callable[[Say], Awaitable[Made]]) -> Made:
        with self._log_path(identity).open("w", buffering=1) as printed:

            def say(line: str) -> None:
                printed.write(f"{line}\n")

            try:
                return await make(say)
            except SlipwayError as error:
                say(str(error))
                raise

    @contextmanager
    def alone(self, identity: str) -> Iterator[bool]:
        """Whether nobody else on this machine works on the identity while the context lasts."""
        locks = self._folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / identity).open("w") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def log(self, identity: str) -> str:
        """What the build printed so far, at most the end of it; "" for nothing."""
        try:
            data = self._log_path(identity).read_bytes()
        except FileNotFoundError:
            return ""
        return data[-MAX_LOG_BYTES:].decode(errors="replace")

    def forget(self, identity: str) -> None:
        """Remove its log."""
        self._log_path(identity).unlink(missing_ok=True)

    def _log_path(self, identity: str) -> Path:
        logs = self._folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{identity}.log"
