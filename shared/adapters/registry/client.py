"""A client of the OCI distribution protocol 1.1 that keeps each byte, and so each digest."""

from __future__ import annotations

import ssl
from pathlib import Path

from shared.adapters.registry.auth import Credentials
from shared.adapters.registry.manifests import resolve
from shared.adapters.registry.pull import Pull
from shared.adapters.registry.push import Push
from shared.adapters.registry.session import Options, session
from shared.packaging.descriptor import DEFAULT_PLATFORM, Descriptor
from shared.packaging.reference import checked_reference, checked_registry, checked_repository

MAX_IMAGE_BYTES = 40 << 30  # what is pulled for one image, compressed


class DistributionRegistry:
    """One registry. Requests go over https; over http only to this machine, when no `ssl_context` is given."""

    def __init__(
        self,
        registry: str,
        *,
        credentials: Credentials | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_image_bytes: int = MAX_IMAGE_BYTES,
        progress_timeout_s: float = 120.0,
        retry_delay_s: float = 0.5,
    ) -> None:
        """`registry` is HOST or HOST:PORT; `credentials` are used when it asks for them. Raises Invalid."""
        self._options = Options(
            checked_registry(registry),
            credentials,
            ssl_context,
            progress_timeout_s=progress_timeout_s,
            retry_delay_s=retry_delay_s,
        )
        self._max_image_bytes = max_image_bytes

    async def push(self, layout: Path, descriptor: Descriptor, repository: str, tag: str | None = None) -> str:
        """Upload what `descriptor` names in the layout (a manifest, or an index and all it lists), as `tag` or by its
        digest alone; the digest it has there, which is its own. Blobs that are there already are not sent. An artifact
        about another image is listed where its registry cannot do it (see `referrers`). Raises NotFound,
        ArtifactCorrupted (of the layout), Permanent, Invalid, and Retryable after several tries."""
        reference = checked_reference(tag or descriptor.digest)
        async with session(self._options, checked_repository(repository), "pull,push") as opened:
            await Push(opened, layout, repository).manifest(descriptor, reference)
        return descriptor.digest

    async def pull(self, repository: str, reference: str, layout: Path, platform: str = DEFAULT_PLATFORM) -> Descriptor:
        """Fetch the image of a tag or digest for `platform` into the layout, whose index.json stays as it is; what
        names its manifest. What is there already is not fetched; everything is compared with its digest. Raises
        NotFound when there is no such image or platform, ArtifactCorrupted for bytes of another digest, TooLarge,
        Permanent, Invalid, and Retryable after several tries."""
        async with session(self._options, checked_repository(repository), "pull") as opened:
            pull = Pull(opened, layout, repository, self._max_image_bytes)
            return await pull.image(checked_reference(reference), platform)

    async def resolve(self, repository: str, tag: str) -> str:
        """The digest that a tag has now: of an index, where it is one. Raises NotFound, Permanent, Invalid, and
        Retryable after several tries."""
        async with session(self._options, checked_repository(repository), "pull") as opened:
            return await resolve(opened, repository, checked_reference(tag))
