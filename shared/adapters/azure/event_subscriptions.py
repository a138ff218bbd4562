"""EventSubscriptions through Azure Resource Manager: Microsoft.EventGrid/topics/eventSubscriptions."""

from __future__ import annotations

import asyncio
import builtins
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.adapters.azure.arm import MANAGEMENT_URL, SCOPE, ArmClient
from shared.adapters.azure.arm_event_subscription import from_arm, to_arm
from shared.adapters.azure.errors import from_status
from shared.errors import Fault, Invalid, NotFound, NotSupported, Retryable
from shared.events.subscriptions import check_subscription, is_subscription_name
from shared.ports import Subscription

if TYPE_CHECKING:
    import aiohttp
    from azure.core.credentials_async import AsyncTokenCredential

API_VERSION = "2025-02-15"
OPERATION_TIMEOUT_S = 300.0
POLL_S = 2.0
FINAL_STATES = frozenset({"Succeeded", "Failed", "Canceled", "AwaitingManualAction"})
_QUERY = re.compile(r"\?[^\s\"'<>]*")


class AzureEventSubscriptions:
    """Subscriptions of one topic. Makes a session for each call: subscriptions change rarely."""

    def __init__(
        self,
        topic_id: str,
        credential: AsyncTokenCredential,
        management_url: str = MANAGEMENT_URL,
        *,
        scope: str = SCOPE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._arm = ArmClient(credential, management_url, scope)
        self._topic_id = "/" + topic_id.strip("/")
        self._sleep = sleep

    async def put(self, subscription: Subscription, *, signing_secret: str | None = None) -> Subscription:
        """See EventSubscriptions. Raises NotSupported for a signing secret: Event Grid doesn't sign."""
        check_subscription(subscription, signing_secret=signing_secret, allow_http_to_loopback=False)
        if signing_secret:
            remedy = "put a secret into the endpoint URL's query, or protect the endpoint with Microsoft Entra ID"
            raise NotSupported("Azure Event Grid does not sign webhooks", remedy=remedy)
        url = self._url(subscription.name)
        async with self._session() as session:
            status, headers, body = await self._arm.request(session, "PUT", url, to_arm(subscription))
            if status == 400:
                raise _refused(body)
            _expect(status, {200, 201, 202}, f"subscribing {subscription.name}")
            await self._finish(session, url, headers, body)
            status, _, body = await self._arm.request(session, "GET", url)
        _expect(status, {200}, f"reading the subscription {subscription.name}")
        made = from_arm(body)
        if made.state in ("Failed", "Canceled"):
            raise _refused(body)
        return made

    async def list(self) -> tuple[Subscription, ...]:
        """See EventSubscriptions. Azure shows the endpoint URL without its query, because a key may be there."""
        found: builtins.list[Subscription] = []
        url: str | None = self._url()
        async with self._session() as session:
            while url:
                status, _, body = await self._arm.request(session, "GET", url)
                _expect(status, {200}, "listing the subscriptions")
                found += [from_arm(each) for each in body.get("value", [])]
                url = body.get("nextLink")
        return tuple(sorted(found, key=lambda each: each.name))

    async def delete(self, name: str) -> None:
        """See EventSubscriptions."""
        missing = NotFound(f"there is no subscription {name[:64]!r}")
        if not is_subscription_name(name):  # ".." would name the topic itself
            raise missing
        url = self._url(name)
        async with self._session() as session:
            status, _, _ = await self._arm.request(session, "GET", url)
            if status == 404:
                raise missing
            _expect(status, {200}, f"reading the subscription {name[:64]}")
            status, headers, _ = await self._arm.request(session, "DELETE", url)
            _expect(status, {200, 202, 204}, f"deleting the subscription {name[:64]}")
            if status == 202:
                await self._finish(session, url, headers, {}, FINAL_STATES - {"Succeeded"})

    async def _finish(
        self,
        session: aiohttp.ClientSession,
        url: str,
        headers: Mapping[str, str],
        body: dict[str, Any],
        final_states: frozenset[str] = FINAL_STATES,
    ) -> None:
        """Wait until the subscription is gone or in a final state (one is that someone has to open the validation URL).

        Source: Azure Resource Manager, "Track asynchronous Azure operations": Azure-AsyncOperation, else Location, else
        the resource's own provisioningState; Retry-After."""
        operation = headers.get("Azure-AsyncOperation") or headers.get("Location")
        waited_s = 0.0
        while _provisioning_state(body) not in final_states:
            waited_s += (wait_s := _retry_after_s(headers))
            if waited_s > OPERATION_TIMEOUT_S:
                raise Retryable("Azure is still working on the subscription", remedy="look at it again in a while")
            await self._sleep(wait_s)
            if operation:
                status, headers, answer = await self._arm.request(session, "GET", operation)
                _expect(status, {200, 201, 202, 204}, "waiting for the operation")
                if answer.get("status") in ("Failed", "Canceled"):
                    raise _refused(answer)
            status, _, body = await self._arm.request(session, "GET", url)
            if status == 404:
                return  # deleted; `put` finds out with its own GET
            _expect(status, {200}, "waiting for the subscription")

    def _session(self) -> aiohttp.ClientSession:
        if self._topic_id == "/":
            remedy = "set SLIPWAY_EVENTGRID_TOPIC_ID to the topic's resource id"
            raise NotSupported("subscriptions cannot be managed: the Event Grid topic is not known", remedy=remedy)
        return self._arm.session()

    def _url(self, name: str | None = None) -> str:
        tail = "" if name is None else f"/{quote(name, safe='')}"
        return f"{self._arm.management_url}{quote(self._topic_id)}/eventSubscriptions{tail}?api-version={API_VERSION}"


def _provisioning_state(body: dict[str, Any]) -> str:
    return str((body.get("properties") or {}).get("provisioningState"))


def _retry_after_s(headers: Mapping[str, str]) -> float:
    try:
        return min(60.0, max(0.1, float(headers.get("Retry-After", POLL_S))))
    except ValueError:
        return POLL_S


def _expect(status: int, good: set[int], what: str) -> None:
    if status == 409:
        raise Retryable(f"{what}: another operation on it is under way", remedy="try again")
    if status not in good:
        raise from_status(status, what)


def _refused(body: dict[str, Any]) -> Invalid:
    error = body.get("error") or body.get("properties", {}).get("error") or {}
    message = _QUERY.sub("", str(error.get("message") or "Azure gave no reason"))[:1000]  # a query may hold a key
    remedy = "make the endpoint answer the validation handshake, then subscribe again"
    fault = Fault(message, "/endpoint_url" if "alidation" in str(error) else "")
    return Invalid("Azure did not accept the subscription", faults=(fault,), remedy=remedy)
