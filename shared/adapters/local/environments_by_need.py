"""Environments on this machine: virtual environments, and images for what those cannot hold."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from shared.adapters.local.engine_environments import EngineEnvironmentBuilder
from shared.adapters.local.environment_builder import LocalEnvironmentBuilder
from shared.ports import BuildProgress, BuildRequest, EnvironmentBuilder
from shared.resources.environment_build import EnvironmentRecipe


class EnvironmentsByNeed:
    """An EnvironmentBuilder of two: what the first lacks, the second builds."""

    def __init__(self, folders: LocalEnvironmentBuilder, images: EngineEnvironmentBuilder) -> None:
        self._folders = folders
        self._images = images

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """See EnvironmentBuilder: what neither has."""
        in_folders, in_images = self._folders.lacks(recipe), self._images.lacks(recipe)
        return tuple(dict.fromkeys((*in_folders, *in_images))) if in_folders and in_images else ()

    async def advance(self, request: BuildRequest, run_id: str) -> BuildProgress:
        """See EnvironmentBuilder."""
        if lacking := self.lacks(request.recipe):
            return BuildProgress("Failed", run_id, reason=f"this machine cannot have: {'; '.join(lacking)}")
        return await self._for(request.recipe).advance(request, run_id)

    async def cancel(self, identity: str, run_id: str) -> None:
        """See EnvironmentBuilder."""
        for builder in (self._folders, self._images):
            await builder.cancel(identity, run_id)

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        return (*await self._folders.collect(keep, before), *await self._images.collect(keep, before))

    def _for(self, recipe: EnvironmentRecipe) -> EnvironmentBuilder:
        return self._images if self._folders.lacks(recipe) else self._folders
