"""What an owner has in a namespace, looked at for all its endpoints at once: a thousand cost no more than one."""

from __future__ import annotations

import asyncio
import math
import time

from shared.adapters.kubernetes.objects import POD, NamespaceObjects
from shared.deployment_targets.kubernetes.names import Manifest
from shared.deployment_targets.kubernetes.render import KINDS

Key = tuple[str, str]  # kind, name
MAX_AGE_S = 1.0


class OwnedObjects:
    """The last look, with what was written since; a new one when it is older than `max_age_s`."""

    def __init__(
        self, objects: NamespaceObjects, kinds: tuple[str, ...] = (*KINDS, POD), max_age_s: float = MAX_AGE_S
    ) -> None:
        self._max_age_s = max_age_s
        self._objects = objects
        self._kinds = kinds
        self._found: dict[Key, Manifest] = {}
        self._looked_at = -math.inf
        self._looking = asyncio.Lock()

    async def current(self) -> dict[Key, Manifest]:
        """Every object. Raises Retryable, Unauthorized, NotFound for a kind that the cluster does not know."""
        async with self._looking:  # those who come meanwhile take the same look
            if time.monotonic() - self._looked_at >= self._max_age_s:
                before = time.monotonic()
                lists = await asyncio.gather(*(self._objects.list(kind) for kind in self._kinds))
                self._found = {
                    (kind, each["metadata"]["name"]): each
                    for kind, found in zip(self._kinds, lists, strict=True)
                    for each in found
                }
                self._looked_at = before
            return self._found

    def put(self, kind: str, found: Manifest) -> None:
        """It was written."""
        self._found[kind, found["metadata"]["name"]] = found

    def drop(self, key: Key) -> None:
        """It was deleted."""
        self._found.pop(key, None)
