"""EventSubscriptions on the local Event Grid: nothing is delivered to an endpoint that did not agree to it."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from shared.adapters.local.event_grid import LocalEventGrid
from shared.adapters.local.webhook_handshake import new_session, prove_endpoint
from shared.errors import NotFound, Retryable
from shared.events.subscriptions import check_subscription
from shared.events.webhook_signing import signature_headers
from shared.ports import Subscription

if TYPE_CHECKING:
    import aiohttp

VALIDATION_PATH = "/eventgrid/validate"


class LocalEventSubscriptions:
    """Subscriptions to the topic `slipway` of the local Event Grid."""

    def __init__(
        self, grid: LocalEventGrid, session_factory: Callable[[], aiohttp.ClientSession] = new_session
    ) -> None:
        self._grid = grid
        self._session_factory = session_factory

    async def put(self, subscription: Subscription, *, signing_secret: str | None = None) -> Subscription:
        """See EventSubscriptions. AwaitingManualAction: events come once the validation URL was opened (5 minutes)."""
        check_subscription(subscription, signing_secret=signing_secret)
        if signing_secret:
            signature_headers(signing_secret, "check", self._grid.clock.now(), b"")  # can deliveries be signed here?
        table = self._grid.subscriptions
        code = await table.begin_validation(subscription.name)
        query = urlencode({"name": subscription.name, "id": code})
        url = f"{await table.base_url()}{VALIDATION_PATH}?{query}"
        async with self._session_factory() as session:
            proved = await prove_endpoint(session, subscription, code, url, self._grid.clock.now())
        kept = await table.finish_validation(subscription, code, proved=proved, signing_secret=signing_secret)
        if kept is None:
            raise Retryable(f"somebody else is changing the subscription {subscription.name}", remedy="try again")
        return kept

    async def list(self) -> tuple[Subscription, ...]:
        """See EventSubscriptions."""
        return await self._grid.subscriptions.list()

    async def delete(self, name: str) -> None:
        """See EventSubscriptions. What is still owed to it is dropped."""
        if not await self._grid.subscriptions.delete(name):
            known: builtins.list[str] = [each.name for each in await self.list()]
            raise NotFound(f"there is no subscription {name[:64]!r}", remedy=f"there are: {', '.join(known) or 'none'}")
