"""What an owner has in a namespace, looked at for all its endpoints at once: a thousand cost no more than one."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping

from shared.adapters.kubernetes.objects import POD, NamespaceObjects
from shared.deployment_targets.kubernetes.names import ENDPOINT, Manifest
from shared.deployment_targets.kubernetes.render import KINDS

Key = tuple[str, str]  # kind, name
MAX_AGE_S = 1.0


class OwnedObjects:
    """The last look, with what was written since; a new one when it ended longer ago than `max_age_s`, and than it
    took: a cluster that is slow to list its objects is asked for them half of the time at most. 0: each time."""

    def __init__(
        self,
        objects: NamespaceObjects,
        kinds: tuple[str, ...] = (*KINDS, POD),
        max_age_s: float = MAX_AGE_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_age_s = max_age_s
        self._now_s = now_s
        self._objects = objects
        self._kinds = kinds
        self._found: dict[Key, Manifest] = {}
        self._of_endpoints: dict[str, dict[Key, Manifest]] = {}  # the same, by their labels
        self._good_until_s = -math.inf
        self._looking = asyncio.Lock()

    async def current(self) -> dict[Key, Manifest]:
        """Every object. Raises Retryable, Unauthorized, NotFound for a kind that the cluster does not know."""
        async with self._looking:  # those who come meanwhile take the same look
            if self._now_s() >= self._good_until_s:
                began_s = self._now_s()
                lists = await asyncio.gather(*(self._objects.list(kind) for kind in self._kinds))
                self._found, self._of_endpoints = {}, {}
                for kind, found in zip(self._kinds, lists, strict=True):
                    for each in found:
                        self.put(kind, each)
                ended_s = self._now_s()
                self._good_until_s = ended_s + (self._max_age_s and max(self._max_age_s, ended_s - began_s))
            return self._found

    async def of_endpoint(self, label: str) -> Mapping[Key, Manifest]:
        """Those with this label, so that nobody searches those of all other endpoints; raises as `current`."""
        await self.current()
        return self._of_endpoints.get(label, {})

    def put(self, kind: str, found: Manifest) -> None:
        """It was written."""
        key = kind, found["metadata"]["name"]
        self._found[key] = found
        self._of_endpoints.setdefault(_label(found), {})[key] = found

    def drop(self, key: Key) -> None:
        """It was deleted."""
        if (found := self._found.pop(key, None)) is not None:
            self._of_endpoints[_label(found)].pop(key, None)


def _label(found: Manifest) -> str:
    return str((found["metadata"].get("labels") or {}).get(ENDPOINT, ""))
