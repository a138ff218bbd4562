"""Environments on this machine: virtual environments made by uv, one folder for each identity.

A build happens in a folder of its own and is renamed when it is whole, so one that died is never used.
"""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
import shutil
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.environment_seal import seal, sealed
from shared.environments.uv import failure, run_uv
from shared.ports import BuildProgress, BuildRequest
from shared.resources.environment_build import EnvironmentRecipe

VENV = ("venv", "--relocatable", "--no-project", "--quiet", "--python")
SYNC = ("pip", "sync", "--require-hashes", "--only-binary", ":all:", "--no-config", "--python")


class LocalEnvironmentBuilder:
    """An EnvironmentBuilder. `folder` holds the environments; `index_url` is where packages come from, "" for what uv
    is configured with."""

    def __init__(self, folder: Path, index_url: str = "") -> None:
        self._folder = folder.resolve()
        self._index_url = index_url
        self._builds = LocalBuilds(self._folder)

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """See EnvironmentBuilder: images and conda packages cannot be had on this machine."""
        lacking = [f"conda package {spec}: only an image build has conda" for spec in recipe.conda_packages]
        if recipe.context:
            lacking.append(
                f"{recipe.dockerfile_path}: a Dockerfile is built by Azure Container Registry or a container engine"
            )
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
        place = self._folder / identity
        if not self._builds.is_running(identity) and (found := await asyncio.to_thread(sealed, place, identity)):
            os.utime(place)  # it is used now: `collect` lets it be
            return BuildProgress("Succeeded", run_id, self._builds.log(identity), str(place), found.size_bytes)
        return await self._builds.look(identity, lambda say: self._build(request, say))

    async def cancel(self, identity: str, run_id: str) -> None:
        """See EnvironmentBuilder."""
        await self._builds.cancel(identity)

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        gone = []
        for folder in sorted(self._folder.glob(f"[0-9a-f]{'?' * 63}")):
            made_at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            if folder.name in keep or made_at >= before:
                continue
            with self._builds.alone(folder.name) as alone:
                if alone:
                    await asyncio.to_thread(_take_away, folder, self._folder)
                    self._builds.forget(folder.name)
                    gone.append(folder.name)
        return tuple(gone)

    async def _build(self, request: BuildRequest, say: Say) -> Made:
        """Build it, unless another process has done it by now."""
        identity, target = request.recipe.identity, self._folder / request.recipe.identity
        if found := await asyncio.to_thread(sealed, target, identity):
            return Made(str(target), found.size_bytes)
        work = self._folder / f".building-{identity[:16]}-{secrets.token_hex(4)}"
        _remove_leftovers(self._folder, identity)
        try:
            await self._make(request, work, say)
            made = await asyncio.to_thread(seal, work, identity)
            if target.exists():
                await asyncio.to_thread(_take_away, target, self._folder)
            work.rename(target)
            return Made(str(target), made.size_bytes)
        finally:
            await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)

    async def _make(self, request: BuildRequest, work: Path, say: Say) -> None:
        version = request.recipe.python_version or ""
        await self._uv((*VENV, version, str(work)), request, say, f"there is no Python {version}")
        if request.recipe.lock:
            lock = work / "requirements.lock"
            lock.write_text(request.lock)
            python = str(work / "bin" / "python")
            await self._uv((*SYNC, python, str(lock)), request, say, "the packages cannot be installed")

    async def _uv(self, arguments: tuple[str, ...], request: BuildRequest, say: Say, what: str) -> None:
        say(f"uv {' '.join(arguments[:2])}")
        done = await run_uv(arguments, self._folder, index_url=self._index_url, timeout_s=request.timeout_s, say=say)
        if done.code:
            raise failure(done.text, what)


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
