"""Where environments are built."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from shared.resources.environment_build import EnvironmentRecipe


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What is to be built."""

    recipe: EnvironmentRecipe
    read_file: Callable[[str], AsyncIterator[bytes]]  # the content of a file of the build context, by its SHA-256
    timeout_s: float  # how long the whole build may take

    @property
    def lock(self) -> str:
        """The lock as a requirements file, "" for none."""
        return "".join(f"{line}\n" for line in self.recipe.lock)


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """What is so of a build."""

    state: Literal["Queued", "Running", "Succeeded", "Failed", "Canceled"]
    run_id: str  # names the run, for looking at it again
    log: str = ""  # what was printed so far; no secrets
    location: str = ""  # Succeeded: a folder, or an image reference by digest
    size_bytes: int = 0  # Succeeded: what it takes; 0 when not known
    reason: str = ""  # Failed: why, in a sentence


class EnvironmentBuilder(Protocol):
    """Builds environments by identity: virtual environments in a folder, images by ACR Tasks."""

    def lacks(self, recipe: EnvironmentRecipe) -> tuple[str, ...]:
        """What of the recipe this builder cannot have, each with its reason; () when it can build it."""
        ...

    async def advance(self, request: BuildRequest, run_id: str) -> BuildProgress:
        """Begin the build of this identity, or look at the one that is under way or done (`run_id`, "" for none); what
        is whole and verified already is not built again. A build that died is begun again."""
        ...

    async def cancel(self, identity: str, run_id: str) -> None:
        """End the run, so that it never succeeds; nothing happens when it has ended."""
        ...

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """Remove what is built here of other identities than `keep` and was made before that time; which ones. () where
        images are kept: the registry's own retention removes those."""
        ...
