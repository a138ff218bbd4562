"""Which image a name means now, asked of its registry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shared.adapters.registry.auth import is_loopback
from shared.adapters.registry.client import DistributionRegistry
from shared.errors import Invalid, NotSupported, Retryable
from shared.packaging.reference import parse_reference, with_host


class RegistryDigests:
    """ImageDigests. `open_registry` gives the registry of a host; it has `timeout_s` to answer, 0: it is never asked.
    Registries on this machine are asked with `loopback` only."""

    def __init__(
        self, open_registry: Callable[[str], DistributionRegistry], timeout_s: float, *, loopback: bool
    ) -> None:
        self._open_registry = open_registry
        self._timeout_s = timeout_s
        self._loopback = loopback

    async def resolve(self, image: str) -> str:
        """See ImageDigests."""
        if not self._timeout_s:
            raise NotSupported(f"the registry of {image} is not asked: SLIPWAY_BASE_IMAGE_TIMEOUT_S is 0")
        reference = parse_reference(with_host(image))
        if not self._loopback and is_loopback(reference.registry.rpartition(":")[0] or reference.registry):
            raise Invalid(f"{image} names a registry on this machine (allowed: one that others reach, too)")
        registry = self._open_registry(reference.registry)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await registry.resolve(reference.repository, reference.tag or "latest")
        except TimeoutError as error:
            raise Retryable(f"the registry {reference.registry} did not answer in {self._timeout_s:g} s") from error
