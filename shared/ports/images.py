"""Where images of models are made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.ports.environments import BuildProgress
from shared.resources.image import ImageRecipe


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What is to be packaged."""

    recipe: ImageRecipe
    read_file: Callable[[str], AsyncIterator[bytes]]  # the content of a file of the model, by its SHA-256
    timeout_s: float  # how long all of it may take

    @property
    def lock(self) -> str:
        """The environment's lock as a requirements file, "" for none."""
        return "".join(f"{line}\n" for line in self.recipe.lock)


class ImageDigests(Protocol):
    """Which image a name means now."""

    async def resolve(self, image: str) -> str:
        """The digest, "sha256:...", of what [HOST/]REPOSITORY[:TAG] names now. Raises NotFound, Invalid, NotSupported
        when it is not asked for, Permanent when it is refused, and Retryable when the registry does not answer."""
        ...


class ImageBuilder(Protocol):
    """Makes OCI images by identity: in a layout on this machine, or by ACR Tasks."""

    @property
    def server(self) -> str:
        """SHA-256 of the scoring server that it puts into images."""
        ...

    @property
    def base_image(self) -> str:
        """What images rest on whose environment names no image; "" for none."""
        ...

    def lacks(self, recipe: ImageRecipe) -> tuple[str, ...]:
        """What of the recipe this builder cannot have, each with its reason; () when it can make it."""
        ...

    async def advance(self, request: ImageRequest, run_id: str) -> BuildProgress:
        """Begin the image, or look at the one that is under way or done (`run_id`, "" for none); what is whole already
        is not made again, and one that died is begun again. Its location is a reference by digest."""
        ...

    async def cancel(self, identity: str, run_id: str) -> None:
        """End the run, so that it never succeeds; nothing happens when it has ended."""
        ...

    async def collect(self, keep: Collection[str], before: datetime) -> tuple[str, ...]:
        """Remove images kept on this machine of other identities than `keep` that were last asked for before that time,
        with what no other image shares; which ones. () while something is built, and where a registry keeps them."""
        ...
