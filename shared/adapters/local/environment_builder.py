"""Environments on this machine: virtual environments made by uv, one folder for each identity.

A build happens in a folder of its own and is renamed when it is whole, so one that died is never used. One process
builds an identity at a time: it holds a lock of the operating system, which a process that dies gives up.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import platform
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.local.environment_seal import seal, sealed
from shared.environments.uv import failure, run_uv
from shared.errors import Permanent, SlipwayError
from shared.ports import BuildProgress, BuildRequest
from shared.resources.environment_build import EnvironmentRecipe

log = logging.getLogger(__name__)

BRIEF_S = 0.5  # how long a look waits for a build that may be done at once
MAX_LOG_BYTES = 1_000_000
VENV = ("venv", "--relocatable", "--no-project", "--quiet", "--python")
SYNC = ("pip", "sync", "--require-hashes", "--only-binary", ":all:", "--no-config", "--python")


class LocalEnvironmentBuilder:
    """An EnvironmentBuilder. `folder` holds the environments; `index_url` is where packages come from, "" for what uv
    is configured with."""

    def __init__(self, folder: Path, index_url: str = "") -> None:
        self._folder = folder.resolve()
        self._index_url = index_url
        self._builds: dict[str, tuple[str, asyncio.Task[int]]] = {}  # identity -> run, and its size in bytes

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """See EnvironmentBuilder: images and conda packages cannot be had on this machine."""
        lacking = [f"conda package {spec}: only an image build has conda" for spec in recipe.conda_packages]
        if recipe.context:
            lacking.append(f"{recipe.dockerfile_path}: a Dockerfile is built by Azure Container Registry")
        if recipe.os_type != platform.system().lower() and not (recipe.os_type == "linux" and os.name == "posix"):
            lacking.append(f"os_type {recipe.os_type}: this machine has {platform.system()}")
        return tuple(lacking)

    def ready(self, identity: str) -> Path | None:
        """The folder of the environment, looked over a moment ago; None when it is not whole. About a millisecond for
        each hundred files."""
        folder = self._folder / identity
        return folder if sealed(folder, identity) else None

    async def advance(self, request: BuildRequest, run_id: str) -> BuildProgress:
        """See EnvironmentBuilder."""
        identity = request.recipe.identity
        if lacking := self.lacks(request.recipe):
            return BuildProgress("Failed", run_id, reason=f"this machine cannot have: {'; '.join(lacking)}")
        if (run := self._builds.get(identity)) is None:
            found = await asyncio.to_thread(sealed, self._folder / identity, identity)
            if found is not None:
                os.utime(self._folder / identity)  # it is used now: `collect` lets it be
                place = str(self._folder / identity)
                return BuildProgress("Succeeded", run_id, self._log(identity), place, found.size_bytes)
            run = (secrets.token_hex(8), asyncio.create_task(self._build(request)))
            self._builds[identity] = run
        return await self._look(identity, *run)

    async def _look(self, identity: str, run_id: str, task: asyncio.Task[int]) -> BuildProgress:
        await asyncio.wait({task}, timeout=BRIEF_S)
        if not task.done():
            return BuildProgress("Running", run_id, self._log(identity))
        self._builds.pop(identity, None)
        if task.cancelled():
            return BuildProgress("Canceled", run_id, self._log(identity))
        if isinstance(error := task.exception(), Permanent):
            return BuildProgress("Failed", run_id, self._log(identity), reason=error.message)
        if error is not None:
            raise error
        return BuildProgress("Succeeded", run_id, self._log(identity), str(self._folder / identity), task.result())

    async def cancel(self, identity: str, run_id: str) -> None:
        """See EnvironmentBuilder; a build of another process goes on, and is found when it is asked for again."""
        run = self._builds.pop(identity, None)
        if run is not None:
            run[1].cancel()
            await asyncio.wait({run[1]})

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        gone = []
        for folder in sorted(self._folder.glob(f"[0-9a-f]{'?' * 63}")):
            made_at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if folder.name in keep or made_at >= before:
                continue
            with self._alone(folder.name) as alone:
                if alone:
                    await asyncio.to_thread(_take_away, folder, self._folder)
                    self._log_path(folder.name).unlink(missing_ok=True)
                    gone.append(folder.name)
        return tuple(gone)

    async def _build(self, request: BuildRequest) -> int:
        identity = request.recipe.identity
        while True:
            with self._alone(identity) as alone:
                if alone:
                    return await self._build_alone(request)
            await asyncio.sleep(BRIEF_S)  # another process builds it

    async def _build_alone(self, request: BuildRequest) -> int:
        """Build it, unless another process has done it by now; comes out its size in bytes."""
        identity, target = request.recipe.identity, self._folder / request.recipe.identity
        if found := await asyncio.to_thread(sealed, target, identity):
            return found.size_bytes
        work = self._folder / f".building-{identity[:16]}-{secrets.token_hex(4)}"
        _remove_leftovers(self._folder, identity)
        try:
            with self._log_path(identity).open("w") as printed:
                await self._make(request, work, printed.write)
            made = await asyncio.to_thread(seal, work, identity)
            if target.exists():
                await asyncio.to_thread(_take_away, target, self._folder)
            work.rename(target)
            return made.size_bytes
        except SlipwayError as error:
            with self._log_path(identity).open("a") as printed:
                printed.write(f"{error.message}\n")
            raise
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _make(self, request: BuildRequest, work: Path, write: Callable[[str], object]) -> None:
        version = request.recipe.python_version or ""
        await self._uv((*VENV, version, str(work)), request, write, f"there is no Python {version}")
        if request.recipe.lock:
            lock = work / "requirements.lock"
            lock.write_text(request.lock)
            python = str(work / "bin" / "python")
            await self._uv((*SYNC, python, str(lock)), request, write, "the packages cannot be installed")

    async def _uv(
        self, arguments: tuple[str, ...], request: BuildRequest, write: Callable[[str], object], what: str
    ) -> None:
        def say(line: str) -> None:
            write(f"{line}\n")

        say(f"uv {' '.join(arguments[:2])}")
        done = await run_uv(arguments, self._folder, index_url=self._index_url, timeout_s=request.timeout_s, say=say)
        if done.code:
            raise failure(done.text, what)

    @contextmanager
    def _alone(self, identity: str) -> Iterator[bool]:
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

    def _log_path(self, identity: str) -> Path:
        logs = self._folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{identity}.log"

    def _log(self, identity: str) -> str:
        try:
            data = self._log_path(identity).read_bytes()
        except FileNotFoundError:
            return ""
        return data[-MAX_LOG_BYTES:].decode(errors="replace")


def _take_away(target: Path, folder: Path) -> None:
    """Remove a folder so that it is never seen half removed."""
    if not target.exists():
        return
    gone = folder / f".removed-{secrets.token_hex(8)}"
    target.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _remove_leftovers(folder: Path, identity: str) -> None:
    """Remove what builds of this identity left that died; nobody else builds it now."""
    for left in folder.glob(f".building-{identity[:16]}-*"):
        shutil.rmtree(left, ignore_errors=True)
