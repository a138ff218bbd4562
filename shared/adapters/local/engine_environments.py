"""Environments as images, built on this machine by a container engine and kept in an OCI layout.

For what no virtual environment can hold: a Dockerfile of one's own, conda packages. An image gets into the layout whole
or not at all; a build happens in a folder of its own, which goes with it.
"""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.container_engines import BuildOf, ContainerEngine, run_folder
from shared.adapters.local.engine_leftovers import end_leftovers, unmount_below
from shared.adapters.local.layout_garbage import collect_layout, used_now
from shared.adapters.local.layout_locks import in_use, index_alone
from shared.environments.image_context import archive_of
from shared.environments.running import run_streamed
from shared.errors import Invalid, Permanent
from shared.packaging.descriptor import Descriptor
from shared.packaging.docker_archive import read_docker_archive
from shared.packaging.layout import read_index, write_index
from shared.packaging.lock import packages_of_lock
from shared.packaging.reachable import adopt_image, find_image, size_of
from shared.packaging.sbom import attach_sbom, sbom
from shared.ports import BuildProgress, BuildRequest
from shared.resources.environment_build import EnvironmentRecipe

REPOSITORY = "localhost/slipway/environments"  # what an image is called while the engine has it
REASON_LINES = 3
MAX_REASON = 2000


class EngineEnvironmentBuilder:
    """An EnvironmentBuilder. `layout` is an OCI layout of all environments that are images; `engine` is what builds,
    None for none; `choice` is the setting it came from."""

    def __init__(
        self, layout: Path, engine: ContainerEngine | None, *, choice: str = "auto", index_url: str = ""
    ) -> None:
        self._layout = layout.resolve()
        self._engine = engine
        self._choice = choice
        self._index_url = index_url
        self._builds = LocalBuilds(self._layout)

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        lacking = []
        if self._engine is None:
            known = "auto, none, podman, buildah, docker"
            lacking.append(f"a container engine: SLIPWAY_CONTAINER_ENGINE={self._choice} gives none (known: {known})")
        if "@" in urlsplit(self._index_url).netloc:  # an image's history shows what it was built with
            lacking.append(
                "a package index without credentials: those of SLIPWAY_PACKAGE_INDEX_URL would be in the image"
            )
        if recipe.os_type != "linux":
            lacking.append(f"os_type {recipe.os_type}: images are built for linux")
        return tuple(lacking)

    async def advance(self, request: BuildRequest, run_id: str) -> BuildProgress:
        """See EnvironmentBuilder."""
        if lacking := self.lacks(request.recipe):
            return BuildProgress("Failed", run_id, reason=f"this machine cannot have: {'; '.join(lacking)}")
        return await self._builds.look(request.recipe.identity, lambda say: self._build(request, say))

    async def cancel(self, identity: str, run_id: str) -> None:
        """See EnvironmentBuilder."""
        await self._builds.cancel(identity)

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        return await asyncio.to_thread(collect_layout, self._layout, self._builds, keep, before)

    async def _build(self, request: BuildRequest, say: Say) -> Made:
        """Build it, unless it is there."""
        identity = request.recipe.identity
        try:
            async with asyncio.timeout(request.timeout_s), in_use(self._layout):
                if (found := find_image(self._layout, identity)) is None:
                    found = await self._make(request, say)
                used_now(self._layout, found.digest)
                size_bytes = await asyncio.to_thread(size_of, self._layout, found)
                return Made(f"oci:{self._layout}:{identity}@{found.digest}", size_bytes)
        except TimeoutError as error:
            raise Permanent(f"the build took longer than {request.timeout_s:.0f} s") from error

    async def _make(self, request: BuildRequest, say: Say) -> Descriptor:
        assert self._engine is not None  # `lacks` has said so
        identity = request.recipe.identity
        work = self._layout / f".building-{identity[:16]}-{secrets.token_hex(4)}"
        for left in self._layout.glob(f".building-{identity[:16]}-*"):  # of builds of this identity that died
            await asyncio.to_thread(end_leftovers, left)
            await self._remove(BuildOf(left, left, left, f"{REPOSITORY}:{identity}", ""), self._engine)
        one = BuildOf(work, work / "context", work / "context", f"{REPOSITORY}:{identity}", self._index_url)
        try:
            for folder in (work / "tmp", one.context):
                folder.mkdir(parents=True)
            run_folder(work).mkdir(mode=0o700)
            return await self._built(request, one, self._engine, say)
        finally:
            await self._remove(one, self._engine)

    async def _built(self, request: BuildRequest, one: BuildOf, engine: ContainerEngine, say: Say) -> Descriptor:
        await asyncio.to_thread(_unpack, await archive_of(request), one.context)
        dockerfile = _dockerfile(one.context, request.recipe.dockerfile_path or "Dockerfile")
        one = BuildOf(one.work, one.context, dockerfile, one.tag, one.index_url)
        say(f"{engine.name} builds {request.recipe.dockerfile_path or 'Dockerfile'}")
        await self._run(engine.build_command(one), one, engine, "the image cannot be built", say)
        await self._run(engine.export_command(one), one, engine, "the image cannot be exported", say)
        named = await asyncio.to_thread(self._adopted, engine.exported(one), request)
        say(f"image {named.digest}")
        return named

    def _adopted(self, exported: Path, request: BuildRequest) -> Descriptor:
        """What the engine made, byte for byte in the layout, with its bill of materials."""
        if exported.is_dir():
            named = Descriptor.parse(read_index(exported)[0], str(exported))
            named = Descriptor(named.media_type, named.digest, named.size_bytes, named.platform)
            adopt_image(exported, named, self._layout)
        else:
            named = read_docker_archive(exported, self._layout)
        bill = sbom("environment", request.recipe.identity, packages_of_lock(request.lock))
        with index_alone(self._layout):
            attach_sbom(self._layout, named, bill)
            return write_index(self._layout, [named], request.recipe.identity)

    async def _run(self, command: Sequence[str], one: BuildOf, engine: ContainerEngine, what: str, say: Say) -> None:
        done = await run_streamed(command, one.work, engine.environment(one.work), None, say)
        if done.code:
            words = [line.strip() for line in done.text.splitlines() if line.strip()][-REASON_LINES:]
            raise Invalid(f"{what} by {engine.name}: {' '.join(words)[:MAX_REASON] or f'exit code {done.code}'}")

    async def _remove(self, one: BuildOf, engine: ContainerEngine) -> None:
        """Remove all of a build; what runs of it has ended."""
        if not one.work.exists():
            return
        (one.work / "tmp").mkdir(exist_ok=True)
        if (command := engine.remove_command(one)) is not None:
            await run_streamed(command, one.work, engine.environment(one.work), 60)
        for folder in (run_folder(one.work), one.work):
            await asyncio.to_thread(unmount_below, folder)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _unpack(archive: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def _dockerfile(context: Path, path: str) -> Path:
    """The Dockerfile. Raises Invalid for one that is not in the context."""
    found = Path(os.path.normpath(context / path))
    if not found.is_relative_to(context) or not found.is_file():
        raise Invalid(f"{path!r} is no file of the build context", remedy="name it relative to the folder")
    return found
