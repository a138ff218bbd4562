"""The port to registries of images; it speaks of descriptors and layouts, so it is here and not in shared.ports."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from shared.packaging.descriptor import Descriptor


class ImageRegistry(Protocol):
    """A registry of images, by the OCI distribution protocol."""

    async def push(self, layout: Path, descriptor: Descriptor, repository: str, tag: str | None = None) -> str:
        """Upload an image of the layout, byte for byte; its digest."""
        ...

    async def pull(self, repository: str, reference: str, layout: Path, platform: str) -> Descriptor:
        """Fetch the image of a tag or digest for a platform into the layout."""
        ...
