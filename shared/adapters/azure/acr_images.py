"""Images of models, built by ACR Tasks from a build context in Azure ML's package layout."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from pathlib import Path

from shared.adapters.azure.acr_runs import AcrRuns
from shared.errors import TooLarge
from shared.packaging.entries import Entry
from shared.packaging.model_context import context_archive, write_model_context
from shared.packaging.server import server_identity
from shared.ports import BuildProgress, ImageRequest
from shared.resources.image import ImageRecipe
from shared.resources.model import ModelFile

REPOSITORY = "slipway/models"  # images are tagged with the identity in it
MAX_MODEL_BYTES = 500 * 2**20  # the context goes through this process, which a function has not much memory for


class AcrImageBuilder:
    """An ImageBuilder; `base_image` is for environments that name no image."""

    def __init__(self, runs: AcrRuns, base_image: str = "") -> None:
        self._runs = runs
        self._base_image = base_image

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
        lacking = list(self._runs.lacks())
        if len(recipe.platforms) > 1:
            lacking.append("several platforms in one image: ask for one after the other")
        size_bytes = sum(file.size_bytes for file in recipe.files)
        if size_bytes > MAX_MODEL_BYTES:
            lacking.append(
                f"a model of {size_bytes} bytes: at most {MAX_MODEL_BYTES}; use `slipway model package --context`"
            )
        return tuple(lacking)

    async def advance(self, request: ImageRequest, run_id: str) -> BuildProgress:
        """See ImageBuilder."""
        recipe = request.recipe
        if lacking := self.lacks(recipe):
            return BuildProgress("Failed", run_id, reason=f"this cannot be had: {'; '.join(lacking)}")
        if (progress := await self._runs.look(run_id)) is not None:
            return progress
        with tempfile.TemporaryDirectory(prefix="slipway-image-") as name:
            work = Path(name)
            entries = [await _entry(file, request, work / str(n)) for n, file in enumerate(recipe.files)]
            write_model_context(work / "context", recipe, request.lock, entries)
            archive = await asyncio.to_thread(context_archive, work / "context")
        image = f"{REPOSITORY}:{recipe.identity}"
        return await self._runs.begin(archive, image, "Dockerfile", request.timeout_s, recipe.platforms[0])

    async def cancel(self, identity: str, run_id: str) -> None:
        """See ImageBuilder."""
        await self._runs.cancel(run_id)

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See ImageBuilder: the registry's retention policy removes images."""
        return ()


async def _entry(file: ModelFile, request: ImageRequest, path: Path) -> Entry:
    chunks: AsyncIterator[bytes] = request.read_file(file.sha256)
    written = 0
    with path.open("wb") as out:
        async for chunk in chunks:
            written += len(chunk)
            if written > MAX_MODEL_BYTES:
                raise TooLarge(f"{file.path} is larger than {MAX_MODEL_BYTES} bytes")
            out.write(chunk)
    return Entry(file.path, path, 0o644)
