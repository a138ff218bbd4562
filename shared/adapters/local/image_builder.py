"""Images of models on this machine, without a Docker daemon: an OCI layout, and a push where a registry is named."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from shared.adapters.local.builds import LocalBuilds, Made, Say
from shared.adapters.local.image_layers import MODELS, PACKAGES, SERVER_PACKAGES, UV_PLATFORM, ImageLayers
from shared.adapters.local.layout_garbage import collect_layout, used_now
from shared.adapters.local.layout_locks import in_use, index_alone
from shared.environments.lock import read_lock
from shared.errors import NotFound
from shared.packaging.base import BaseImage, base_of_layout, base_of_manifest, base_of_root
from shared.packaging.descriptor import Descriptor
from shared.packaging.image import ImageConfig, assemble, write_index
from shared.packaging.lock import packages_of_lock
from shared.packaging.reachable import find_image, size_of
from shared.packaging.reference import parse_reference, with_host
from shared.packaging.referrers import attached
from shared.packaging.registry import ImageRegistry
from shared.packaging.sbom import Model, attach_sbom, sbom
from shared.packaging.server import FOLDER as SERVER
from shared.packaging.server import server_identity, server_pins
from shared.ports import BuildProgress, ImageRequest
from shared.resources.image import ImageRecipe

PORT = 5001  # Azure ML's for inference servers
USER = "65532:65532"  # no root, as in distroless images
_OF_LAYOUT = re.compile(r"oci:(.+):[0-9a-f]{64}@(sha256:[0-9a-f]{64})")  # where environments that are images are


class LocalImageBuilder:
    """An ImageBuilder. `layout` is an OCI layout of all images; `repository` is HOST/REPOSITORY that they are pushed
    to, "" for none; `base_image` is a reference, an OCI layout, or a root file system, "" for none; `open_registry`
    gives the registry of a host."""

    def __init__(
        self,
        layout: Path,
        open_registry: Callable[[str], ImageRegistry],
        *,
        base_image: str = "",
        repository: str = "",
        index_url: str = "",
    ) -> None:
        self._layout = layout.resolve()
        self._base_image = base_image
        self._target = parse_reference(repository) if repository else None
        self._open_registry = open_registry
        self._index_url = index_url
        self._builds = LocalBuilds(self._layout)

    @property
    def server(self) -> str:
        """See ImageBuilder."""
        return server_identity()

    @property
    def base_image(self) -> str:
        """See ImageBuilder."""
        return self._base_image

    def lacks(self, recipe: ImageRecipe) -> tuple[str, ...]:
        """See ImageBuilder."""
        return tuple(
            f"platform {one}: known are {', '.join(UV_PLATFORM)}" for one in recipe.platforms if one not in UV_PLATFORM
        )

    async def advance(self, request: ImageRequest, run_id: str) -> BuildProgress:
        """See ImageBuilder."""
        return await self._builds.look(request.recipe.identity, lambda say: self._build(request, say))

    async def cancel(self, identity: str, run_id: str) -> None:
        """See ImageBuilder."""
        await self._builds.cancel(identity)

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See ImageBuilder."""
        return await asyncio.to_thread(collect_layout, self._layout, self._builds, keep, before)

    async def _build(self, request: ImageRequest, say: Say) -> Made:
        async with asyncio.timeout(request.timeout_s), in_use(self._layout):
            image = find_image(self._layout, request.recipe.identity)
            if image is None:
                image = await self._package(request, say)
            used_now(self._layout, image.digest)
            return await self._pushed(image, request.recipe, say)

    async def _package(self, request: ImageRequest, say: Say) -> Descriptor:
        prefix = f".work-{request.recipe.identity[:16]}"
        await asyncio.to_thread(self._tidy, prefix)
        try:
            work = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=self._layout))
            return await self._assembled(request, work, say)
        finally:
            await asyncio.to_thread(self._tidy, prefix)

    def _tidy(self, prefix: str) -> None:
        """Remove the folder of this build, and those of builds that died: what they began may write there still."""
        for left in self._layout.glob(f"{prefix}-*"):
            shutil.rmtree(left, ignore_errors=True)

    async def _assembled(self, request: ImageRequest, work: Path, say: Say) -> Descriptor:
        recipe = request.recipe
        layers = ImageLayers(self._layout, work, self._index_url, request.timeout_s)
        folder = f"{recipe.model_name}/{recipe.model_version}"
        pins = read_lock(request.lock)
        own = server_pins(without={pin.name for pin in pins})
        above = [await layers.server(), await layers.model(folder, recipe.files, request.read_file, say)]
        images, bill = [], self._bill(request)
        for platform in recipe.platforms:
            base = await self._base(recipe.base_image, platform, say)
            below = [
                await layers.packages(some, recipe.python_version, platform, target, say)
                for some, target in ((pins, PACKAGES), (own, SERVER_PACKAGES))
                if some
            ]
            with index_alone(self._layout):
                image = assemble(self._layout, [*below, *above], _config(recipe), platform=platform, base=base)
                attach_sbom(self._layout, image, bill)
            images.append(image)
        with index_alone(self._layout):
            named = write_index(self._layout, images, recipe.identity)
        say(f"image {named.digest}")
        return named

    async def _base(self, base_image: str, platform: str, say: Say) -> BaseImage:
        path = Path(base_image)
        if (of_layout := _OF_LAYOUT.fullmatch(base_image)) is not None:
            base = await asyncio.to_thread(base_of_manifest, Path(of_layout[1]), of_layout[2], platform)
        elif (path / "oci-layout").exists():
            base = await asyncio.to_thread(base_of_layout, path, None, platform)
        elif path.exists():
            base = await asyncio.to_thread(base_of_root, path, self._layout, platform=platform)
        elif path.is_absolute():
            raise NotFound(f"the base image {base_image} is not there")
        else:
            reference = parse_reference(with_host(base_image))
            named = reference.digest or reference.tag or "latest"
            registry = self._open_registry(reference.registry)
            found = await registry.pull(reference.repository, named, self._layout, platform)
            base = base_of_manifest(self._layout, found.digest, platform)
        say(f"base for {platform}: {base_image} {base.digest or ''}".rstrip())
        return base

    async def _pushed(self, image: Descriptor, recipe: ImageRecipe, say: Say) -> Made:
        size_bytes = await asyncio.to_thread(size_of, self._layout, image)
        if self._target is None:
            return Made(f"oci:{self._layout}:{recipe.identity}@{image.digest}", size_bytes)
        registry = self._open_registry(self._target.registry)
        digest = await registry.push(self._layout, image, self._target.repository, recipe.identity)
        for bill in attached(self._layout, image):
            await registry.push(self._layout, bill, self._target.repository)
        say(f"pushed to {self._target.registry}/{self._target.repository}")
        return Made(f"{self._target.registry}/{self._target.repository}@{digest}", size_bytes)

    def _bill(self, request: ImageRequest) -> bytes:
        recipe = request.recipe
        model = Model(recipe.model_name, recipe.model_version, {file.path: file.sha256 for file in recipe.files})
        return sbom(recipe.model_name, recipe.model_version, packages_of_lock(request.lock), [model])


def _config(recipe: ImageRecipe) -> ImageConfig:
    """How a container of the image starts: the scoring server, as somebody who is not root."""
    models = f"/{MODELS}/{recipe.model_name}/{recipe.model_version}"
    paths = ":".join(f"/{part}" for part in (PACKAGES, SERVER, SERVER_PACKAGES))
    env = {"AZUREML_MODEL_DIR": models, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "SERVER_PORT": str(PORT)}
    if recipe.entry_script:
        env |= {"AML_APP_ROOT": models, "AZUREML_ENTRY_SCRIPT": recipe.entry_script}
    return ImageConfig(
        env=env,
        entrypoint=("python3", "-m", "shared.scoring"),
        working_dir="/",
        user=USER,
        exposed_ports=(PORT,),
        labels={
            "org.opencontainers.image.title": recipe.model_name,
            "org.opencontainers.image.version": recipe.model_version,
        },
    )
