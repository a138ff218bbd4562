"""Event Grid's proof that an endpoint wants to be called.

Sources: Microsoft Learn, "Webhook event delivery" (SubscriptionValidation, asynchronous handshake) and "Endpoint
validation with CloudEvents schema"; CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery" 1.0, section 4.
"""

from __future__ import annotations

import hmac
import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from shared.errors import Fault, Invalid
from shared.events.wire import EVENT_GRID_CONTENT_TYPE, format_time
from shared.ports import Subscription
from shared.settings import LOCAL_TOPIC

if TYPE_CHECKING:
    import aiohttp

HANDSHAKE_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 64 * 1024
ORIGIN = "eventgrid.azure.net"  # receivers written for the service know it by this name
VALIDATION_EVENT_TYPE = "Microsoft.EventGrid.SubscriptionValidationEvent"


def new_session() -> aiohttp.ClientSession:
    """A session for calling strangers: no cookies, no proxy from the environment, as many connections as are asked."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def prove_endpoint(
    session: aiohttp.ClientSession, subscription: Subscription, code: str, validation_url: str, now: datetime
) -> bool:
    """True when the endpoint agreed, False when it answered without a word: then somebody has to open the validation
    URL. Raises Invalid when it refused, answered wrongly, or not within 30 s."""
    import aiohttp

    cloud = subscription.event_delivery_schema == "CloudEventSchemaV1_0"
    timeout = aiohttp.ClientTimeout(total=HANDSHAKE_TIMEOUT_S)
    method, headers, body = (
        _preflight(validation_url) if cloud else _validation(subscription, code, validation_url, now)
    )
    try:
        async with session.request(
            method, subscription.endpoint_url, headers=headers, data=body, timeout=timeout, allow_redirects=False
        ) as response:
            if cloud:
                return _agreed(response.status, response.headers.get("WebHook-Allowed-Origin"))
            answer = await _read(response) if response.status == 200 else b""
            return _echoed(response.status, answer, code)
    except TimeoutError as error:
        raise _refused(f"the endpoint did not answer within {HANDSHAKE_TIMEOUT_S:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _refused(f"the endpoint cannot be reached ({type(error).__name__})") from error


def _preflight(validation_url: str) -> tuple[str, dict[str, str], bytes | None]:
    return "OPTIONS", {"WebHook-Request-Origin": ORIGIN, "WebHook-Request-Callback": validation_url}, None


def _validation(
    subscription: Subscription, code: str, validation_url: str, now: datetime
) -> tuple[str, dict[str, str], bytes | None]:
    event = {
        "id": str(uuid.uuid4()),
        "topic": LOCAL_TOPIC,
        "subject": "",
        "data": {"validationCode": code, "validationUrl": validation_url},
        "eventType": VALIDATION_EVENT_TYPE,
        "eventTime": format_time(now),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    headers = {
        "Content-Type": EVENT_GRID_CONTENT_TYPE,
        "aeg-event-type": "SubscriptionValidation",
        "aeg-subscription-name": subscription.name,
    }
    return "POST", headers, json.dumps([event]).encode()


def _agreed(status: int, allowed_origin: str | None) -> bool:
    if not 200 <= status < 300:
        raise _refused(f"the endpoint answered OPTIONS with {status}")
    if allowed_origin is None:
        return False  # section 4.2: a target that grants by callback withholds the header
    if allowed_origin.strip().casefold() not in ("*", ORIGIN):
        raise _refused(f"the endpoint's WebHook-Allowed-Origin does not allow {ORIGIN}")
    return True


def _echoed(status: int, answer: bytes, code: str) -> bool:
    if status != 200:
        raise _refused(f"the endpoint answered the validation event with {status}; only 200 is accepted")
    try:
        document = json.loads(answer)
    except ValueError:
        return False
    folded = {str(key).casefold(): value for key, value in document.items()} if isinstance(document, dict) else {}
    if "validationresponse" not in folded:
        return False
    if not hmac.compare_digest(str(folded["validationresponse"]).encode(), code.encode()):
        raise _refused("the endpoint's validationResponse is not the validationCode it was sent")
    return True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks = bytearray()
    async for chunk in response.content.iter_chunked(8192):
        chunks += chunk
        if len(chunks) > MAX_ANSWER_BYTES:
            raise _refused(f"the endpoint's answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(chunks)


def _refused(message: str) -> Invalid:
    allowed = 'POST: 200 with {"validationResponse": CODE}; OPTIONS (CloudEvents): 2xx with WebHook-Allowed-Origin'
    remedy = "make the endpoint answer the validation handshake, then subscribe again"
    return Invalid(
        "the endpoint did not agree to get events",
        faults=(Fault(message, "/endpoint_url", allowed=allowed),),
        remedy=remedy,
    )
