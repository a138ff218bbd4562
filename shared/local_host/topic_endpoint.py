"""The HTTP face of the local Event Grid: the topic that azure-eventgrid publishes to, and the validation URL.

Sources: Microsoft Learn, "Post to custom topic for Azure Event Grid" (1 MB, aeg-sas-key, statuses and error body),
"Event schema" (required properties), CloudEvents HTTP binding 1.0 (structured and batched mode).
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from aiohttp import web

from shared.adapters.local.event_grid import LocalEventGrid
from shared.adapters.local.event_subscriptions import VALIDATION_PATH
from shared.errors import BadRequest, SlipwayError, Unauthorized, UnsupportedMediaType
from shared.events.limits import event_size_bytes
from shared.events.wire import format_time, from_wire
from shared.local_host.request_body import read_body
from shared.ports import Clock
from shared.resources.events import Event
from shared.settings import LOCAL_TOPIC

TOPIC_PATH = "/topics/slipway/api/events"
API_VERSION = "2018-01-01"
MAX_BODY_BYTES = 1024 * 1024
# Content type -> whether the body is an array, and whether its events are CloudEvents.
FORMS = {
    "application/json": (True, False),
    "application/cloudevents-batch+json": (True, True),
    "application/cloudevents+json": (False, True),
}


def add_topic_routes(
    app: web.Application, grid: LocalEventGrid, topic_key: str, *, topic_id: str = LOCAL_TOPIC
) -> None:
    """Add POST /topics/slipway/api/events (key: aeg-sas-key) and GET and POST /eventgrid/validate to `app`."""

    async def publish(request: web.Request) -> web.Response:
        try:
            _authorize(request, topic_key)
            events = read_events(await read_body(request, MAX_BODY_BYTES), request.content_type, topic_id, grid.clock)
            await grid.enqueue("slipway", events)
        except RecursionError:  # read just so, but too deep to be written again
            return web.json_response({"error": {"code": "BadRequest", "message": "too deeply nested"}}, status=400)
        except SlipwayError as error:
            details = [{"code": fault.pointer, "message": fault.message} for fault in error.faults]
            body = {"error": {"code": error.code, "message": error.message, "details": details}}
            return web.json_response(body, status=error.http_status)
        return web.Response()

    async def validate(request: web.Request) -> web.Response:
        name, code = request.query.get("name", ""), request.query.get("id", "")
        if await grid.subscriptions.confirm(name, code):
            return web.Response(text="The subscription is validated. Events will come.")
        return web.Response(status=404, text="This validation URL is not known, or older than 5 minutes.")

    app.router.add_post(TOPIC_PATH, publish)
    app.router.add_get(VALIDATION_PATH, validate)
    app.router.add_post(VALIDATION_PATH, validate)  # CloudEvents' callback may be a POST (webhook spec, 4.1)


def _authorize(request: web.Request, topic_key: str) -> None:
    given = request.headers.get("aeg-sas-key", "")
    if not topic_key or not hmac.compare_digest(given.encode("utf-8", "replace"), topic_key.encode()):
        raise Unauthorized("aeg-sas-key is missing or wrong", remedy="send the topic's key in the header aeg-sas-key")
    if request.query.get("api-version") != API_VERSION:
        raise BadRequest("api-version is missing or unknown", remedy=f"add ?api-version={API_VERSION}")


def read_events(body: bytes, content_type: str, topic_id: str, clock: Clock) -> list[Event]:
    """The events of a request, in its order. Raises UnsupportedMediaType, and BadRequest for a body that is not what
    its content type says, or an event without a required property, and TooLarge for an event over 1 MB."""
    form = FORMS.get(content_type)
    if form is None:
        raise UnsupportedMediaType(f"{content_type[:80]!r} is not read here", remedy=f"send one of {', '.join(FORMS)}")
    is_array, is_cloud = form
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {str(error)[:200]}") from error
    documents = document if is_array else [document]
    if not isinstance(documents, list) or not all(isinstance(each, dict) for each in documents):
        raise BadRequest(f"{content_type} must be {'an array of events' if is_array else 'one event'}")
    return [_event(each, index, is_cloud, topic_id, clock) for index, each in enumerate(documents)]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _event(document: dict[str, Any], index: int, is_cloud: bool, topic_id: str, clock: Clock) -> Event:
    if is_cloud:
        if document.get("specversion") != "1.0":
            raise BadRequest(f"event {index}: specversion must be 1.0")
        document = {"time": format_time(clock.now()), **document}  # optional in CloudEvents, needed in an Event
        required = ["id", "source", "type"]
    else:
        if "specversion" in document or document.get("topic") not in (None, "", topic_id):
            raise BadRequest(f"event {index}: `topic` must be absent or this topic's own id, `specversion` absent")
        document = {**document, "topic": topic_id}
        required = ["id", "subject", "eventType", "eventTime"]
    empty = [name for name in required if not document.get(name)]
    if empty:
        raise BadRequest(f"event {index}: {', '.join(empty)} missing or empty")
    for name in ("id", "dataVersion"):
        if not str(document.get(name, "")).isprintable():  # they travel in headers
            raise BadRequest(f"event {index}: there are control characters in {name}")
    event_size_bytes(document)
    return from_wire(document)
