"""Environments as images of Azure Container Registry, built by ACR Tasks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from shared.adapters.azure.acr_runs import AcrRuns
from shared.environments.image_context import archive_of
from shared.ports import BuildProgress, BuildRequest
from shared.resources.environment_build import EnvironmentRecipe

REPOSITORY = "slipway/environments"  # images are tagged with the identity in it


class AcrTasksBuilder:
    """An EnvironmentBuilder."""

    def __init__(self, runs: AcrRuns) -> None:
        self._runs = runs

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """See EnvironmentBuilder."""
        windows = ("os_type windows: images are built for linux",) if recipe.os_type != "linux" else ()
        return (*self._runs.lacks(), *windows)

    async def advance(self, request: BuildRequest, run_id: str) -> BuildProgress:
        """See EnvironmentBuilder. A run that the registry has forgotten is begun again."""
        recipe = request.recipe
        if lacking := self.lacks(recipe):
            return BuildProgress("Failed", run_id, reason=f"this cannot be had: {'; '.join(lacking)}")
        if (progress := await self._runs.look(run_id)) is not None:
            return progress
        image = f"{REPOSITORY}:{recipe.identity}"
        dockerfile = recipe.dockerfile_path or "Dockerfile"
        return await self._runs.begin(await archive_of(request), image, dockerfile, request.timeout_s)

    async def cancel(self, identity: str, run_id: str) -> None:
        """See EnvironmentBuilder."""
        await self._runs.cancel(run_id)

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """See EnvironmentBuilder: the registry's retention policy removes images."""
        return ()
