"""What an owner has at a hub for a compute, looked at for all its endpoints at once: a hub takes few requests."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime

from shared.adapters.iot_edge.client import HubClient
from shared.deployment_targets.iot_edge.configurations import COMPUTE, ENDPOINT, OWNER, LiveConfiguration
from shared.resources.iot_edge_compute import IotEdgeCompute

Found = dict[str, LiveConfiguration]  # by id


class OwnedConfigurations:
    """The last look, with what was written since; a new one when it is older than the compute's `look_s`."""

    def __init__(self, client: HubClient, compute: IotEdgeCompute) -> None:
        self._client = client
        self._compute = compute
        self._found: Found = {}
        self._at = datetime.min.replace(tzinfo=UTC)
        self._looked_at = -math.inf
        self._looking = asyncio.Lock()

    async def current(self) -> tuple[Found, datetime]:
        """All of them, and when that was so by the hub's clock. Raises Retryable, Unauthorized."""
        async with self._looking:  # those who come meanwhile take the same look
            if time.monotonic() - self._looked_at >= self._compute.look_s:
                before = time.monotonic()
                found, self._at = await self._client.list()
                self._found = {each.configuration.id: each for each in found if self.is_own(each)}
                self._looked_at = before
            return self._found, self._at

    async def of_endpoint(self, endpoint: str) -> tuple[Found, datetime]:
        """Those of an endpoint; "" for the base deployments."""
        found, at = await self.current()
        return {id_: each for id_, each in found.items() if each.configuration.labels.get(ENDPOINT, "") == endpoint}, at

    def is_own(self, one: LiveConfiguration) -> bool:
        """Whether it is of the owner and the compute."""
        labels = one.configuration.labels
        return (labels.get(OWNER), labels.get(COMPUTE)) == (self._compute.owner, self._compute.name)

    def put(self, one: LiveConfiguration) -> None:
        """It was written."""
        self._found[one.configuration.id] = one

    def drop(self, id_: str) -> None:
        """It was deleted."""
        self._found.pop(id_, None)

    def forget(self) -> None:
        """It is not as it was seen: look anew the next time."""
        self._looked_at = -math.inf
