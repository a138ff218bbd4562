"""REST: events, subscriptions, re-drive, health."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import asdict
from importlib import metadata

from shared import subscribing
from shared.api import documents as doc
from shared.api.message import ApiRequest, ApiResponse
from shared.api.search import time_of
from shared.bootstrap import ControlPlane
from shared.errors import Invalid, NotFound, SlipwayError
from shared.events.wire import to_event_grid
from shared.ports import RecordQuery, Subscription
from shared.resources.base import ResourceKey, is_valid_name
from shared.resources.kinds import kind_of

SUBSCRIPTION_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{1,62}[a-zA-Z0-9]")  # Azure: 3 to 64 letters, digits, hyphens


async def list_events(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Published events, oldest first."""
    types = tuple(name for name in request.query.get("type", "").split(",") if name)
    query = RecordQuery(
        types=types,
        subject_prefix=request.query.get("subject_prefix", ""),
        since=time_of(request, "since"),
        after=request.continuation,
        limit=request.limit(),
    )
    page = await plane.deps.store.list_events(query)
    items = [to_event_grid(record.event) for record in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def list_subscriptions(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """All subscriptions, by name."""
    found = await plane.deps.subscriptions.list()
    return ApiResponse(200, {"items": [_document(subscription) for subscription in found]})


def _document(subscription: Subscription) -> dict[str, object]:
    shown = {**asdict(subscription), "endpoint_url": subscribing.without_query(subscription.endpoint_url)}
    return doc.SubscriptionDocument.model_validate(shown).model_dump(mode="json")


async def put_subscription(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Create or replace a subscription; its endpoint must answer the validation handshake."""
    name = _subscription_name(request)
    asked = request.json(doc.SubscriptionRequest)
    known = any(subscription.name == name for subscription in await plane.deps.subscriptions.list())
    made = await subscribing.put_subscription(plane.deps, asked.subscription(name), asked.new_secret(), request.cause)
    return ApiResponse(200 if known else 201, _document(made))


async def delete_subscription(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Delete a subscription."""
    await subscribing.delete_subscription(plane.deps, _subscription_name(request), request.cause)
    return ApiResponse(204)


def _subscription_name(request: ApiRequest) -> str:
    name = request.route["name"]
    if not SUBSCRIPTION_NAME.fullmatch(name):
        raise Invalid(f"{name[:80]!r} is not a subscription's name", remedy="use 3 to 64 letters, digits and hyphens")
    return name


async def list_resource_history(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Every change of a resource, oldest first: who, when, what, and by which request or event."""
    kind, name = request.route["kind"], request.route["name"]
    key = ResourceKey(kind_of(kind).name, name)
    page = await plane.deps.registry.history(key, limit=request.limit(), continuation=request.continuation)
    if not page.items and request.continuation is None:
        raise NotFound(f"there is no {kind}/{name[:80]}")
    items = [record.model_dump(mode="json") for record in page.items]
    return ApiResponse(200, {"items": items, "continuation": page.continuation})


async def reconcile(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Look at a resource again, also at one that failed."""
    kind, name = request.route["kind"], request.route["name"]
    version = request.query.get("version") or None
    if not (is_valid_name(name) and (version is None or is_valid_name(version))):
        raise NotFound(f"there is no {kind[:80]}/{name[:80]}")
    resource = await plane.loop.redrive(ResourceKey(kind, name, version), request.cause)
    phase = str(resource.status.get("phase", ""))
    return ApiResponse(202, doc.Reconciling(kind=kind, name=name, phase=phase).model_dump(mode="json"))


async def health(request: ApiRequest, plane: ControlPlane) -> ApiResponse:
    """Whether the control plane can work: 200, or 503 with what is wrong."""
    store, files = await asyncio.gather(
        _checked(plane.deps.store.read(ResourceKey("model", "health"))),
        _checked(plane.deps.uploads.list_blobs("policies", "health/")),
    )
    checks = {"store": store, "files": files}
    healthy = set(checks.values()) == {"ok"}
    document = doc.Health(
        status="Healthy" if healthy else "Unhealthy",
        version=_version(),
        mode=plane.deps.settings.mode,
        checks=checks,
        deliveries_refused=dict(plane.git_intake.refused),
    )
    return ApiResponse(200 if healthy else 503, document.model_dump(mode="json"))


async def _checked(asking: Awaitable[object]) -> str:
    """ok, or the code of the error."""
    try:
        await asking
    except SlipwayError as error:
        return error.code
    return "ok"


def _version() -> str:
    """The installed version; "source" in a function app that runs from its folder."""
    try:
        return metadata.version("slipway")
    except metadata.PackageNotFoundError:
        return "source"
