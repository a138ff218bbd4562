"""What a subscription may be: every rule of Event Grid's that can be checked before anything is sent, all at once.

Sources: Microsoft Learn, "Event filtering" (limits: 25 filters, 25 values, 512 characters), "Message delivery and
retry" (1 to 30 attempts, 1 to 1440 minutes), REST reference of event subscriptions (names of 3 to 64 characters).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from shared.errors import Fault, Invalid
from shared.events.filters import ENVELOPE_KEYS, OPERATORS, Operator
from shared.ports import Subscription

MAX_FILTERS = 25
MAX_FILTER_VALUES = 25
MAX_TEXT_LENGTH = 512
MAX_URL_LENGTH = 2048
MAX_ATTEMPTS = 30
MAX_TIME_TO_LIVE_MIN = 1440
DELIVERY_SCHEMAS = ("EventGridSchema", "CloudEventSchemaV1_0")
SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix, no secret
_NAME = re.compile(r"[A-Za-z0-9-]{3,64}\Z")
_FILTER_FIELDS = {"operatorType", "key", "value", "values"}


def check_subscription(
    subscription: Subscription, *, signing_secret: str | None = None, allow_http_to_loopback: bool = True
) -> None:
    """Return when the subscription could be made. Raises Invalid with every fault; pointers name the port's fields."""
    faults = [
        *_plain_faults(subscription),
        *endpoint_faults(subscription.endpoint_url, allow_http_to_loopback),
        *_filters_faults(subscription.advanced_filters),
        *_secret_faults(signing_secret),
    ]
    if faults:
        raise Invalid(f"the subscription {subscription.name[:64]!r} is not valid", faults=tuple(faults))


def is_subscription_name(name: str) -> bool:
    """Whether a subscription can have this name: 3 to 64 letters, digits and hyphens."""
    return _NAME.match(name) is not None


def _plain_faults(subscription: Subscription) -> Iterator[Fault]:
    if not is_subscription_name(subscription.name):
        yield Fault("the name is not allowed", "/name", allowed="3 to 64 letters, digits and hyphens")
    if subscription.event_delivery_schema not in DELIVERY_SCHEMAS:
        yield Fault("unknown delivery schema", "/event_delivery_schema", allowed=", ".join(DELIVERY_SCHEMAS))
    limits = (("max_delivery_attempts", MAX_ATTEMPTS), ("event_time_to_live_min", MAX_TIME_TO_LIVE_MIN))
    for name, most in limits:
        value = getattr(subscription, name)
        if not _is_number(value) or value != int(value) or not 1 <= value <= most:
            yield Fault(f"{value!r} is out of range", f"/{name}", allowed=f"a whole number from 1 to {most}")
    for index, event_type in enumerate(subscription.included_event_types):
        if not _is_text(event_type) or not event_type.strip():
            pointer = f"/included_event_types/{index}"
            yield Fault("not an event type", pointer, allowed=f"1 to {MAX_TEXT_LENGTH} characters")
    for name in ("subject_begins_with", "subject_ends_with"):
        if not _is_text(getattr(subscription, name)):
            yield Fault("not a text", f"/{name}", allowed=f"at most {MAX_TEXT_LENGTH} characters")


def endpoint_faults(url: str, allow_http_to_loopback: bool) -> Iterator[Fault]:
    """What is wrong with a webhook's URL: none of it is repeated in the fault, because a query may hold a key."""
    allowed = "https://HOST/..." + (", or http:// to localhost, 127.0.0.0/8 or [::1]" if allow_http_to_loopback else "")
    if not url or len(url) > MAX_URL_LENGTH or any(character <= " " or character == "\x7f" for character in url):
        message = f"the URL is empty, longer than {MAX_URL_LENGTH} characters or has a space or control character in it"
        yield Fault(message, "/endpoint_url", allowed=allowed)
        return
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        yield Fault("the host or port cannot be read", "/endpoint_url", allowed=allowed)
        return
    loopback = allow_http_to_loopback and parts.scheme == "http" and is_loopback(host)
    if not host or not (parts.scheme == "https" or loopback):
        yield Fault("the scheme or host is not allowed", "/endpoint_url", allowed=allowed)
    if parts.username is not None or parts.password is not None:
        yield Fault("there must be no user name or password in the URL", "/endpoint_url", allowed=allowed)
    if parts.fragment:
        yield Fault("there must be no fragment (#) in the URL", "/endpoint_url", allowed=allowed)


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine by name or address: localhost, 127.0.0.0/8, ::1."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _filters_faults(filters: tuple[Mapping[str, Any], ...]) -> Iterator[Fault]:
    if len(filters) > MAX_FILTERS:
        yield Fault(f"{len(filters)} filters", "/advanced_filters", allowed=f"at most {MAX_FILTERS}")
    count = sum(len(each["values"]) for each in filters if isinstance(each.get("values"), list))
    count += sum("value" in each for each in filters)
    if count > MAX_FILTER_VALUES:
        yield Fault(
            f"{count} filter values", "/advanced_filters", allowed=f"at most {MAX_FILTER_VALUES} in all filters"
        )
    for index, each in enumerate(filters):
        yield from _filter_faults(each, f"/advanced_filters/{index}")


def _filter_faults(each: Mapping[str, Any], pointer: str) -> Iterator[Fault]:
    for name in sorted(set(each) - _FILTER_FIELDS):
        yield Fault("unknown field", f"{pointer}/{name}", allowed=", ".join(sorted(_FILTER_FIELDS)))
    key = each.get("key")
    head, _, rest = key.casefold().partition(".") if isinstance(key, str) else ("", "", "")
    known = rest and all(rest.split(".")) if head == "data" else head in ENVELOPE_KEYS and not rest
    if not known or len(str(key)) > MAX_TEXT_LENGTH:
        allowed = "id, topic, subject, eventType, dataVersion, source, type, specversion, or data.NAME[.NAME...]"
        yield Fault(f"{str(key)[:80]!r} is no key of an event", f"{pointer}/key", allowed=allowed)
    operator_type = each.get("operatorType")
    operator = OPERATORS.get(operator_type) if isinstance(operator_type, str) else None
    if operator is None:
        message = f"unknown operator {str(operator_type)[:80]!r}"
        yield Fault(message, f"{pointer}/operatorType", allowed=", ".join(OPERATORS))
    else:
        yield from _operand_faults(each, operator, pointer)


def _operand_faults(each: Mapping[str, Any], operator: Operator, pointer: str) -> Iterator[Fault]:
    wanted = None if operator.operand == "none" else "values" if operator.takes_many else "value"
    for name in {"value", "values"} - {wanted}:
        if name in each:
            yield Fault("this operator does not take it", f"{pointer}/{name}", allowed=wanted or "no value")
    if wanted is None:
        return
    allowed = _OPERANDS[operator.operand]
    values = each.get(wanted) if operator.takes_many else [each.get(wanted)]
    if not isinstance(values, list) or not values:
        yield Fault("the list of values is missing or empty", f"{pointer}/{wanted}", allowed=f"a list; each {allowed}")
        return
    for index, value in enumerate(values):
        if not _is_operand(value, operator.operand):
            place = f"{pointer}/{wanted}" + (f"/{index}" if operator.takes_many else "")
            yield Fault(f"{str(value)[:80]!r} is not of the operator's type", place, allowed=allowed)


_OPERANDS = {
    "string": f"a text of at most {MAX_TEXT_LENGTH} characters",
    "number": "a number",
    "boolean": "true or false",
    "range": "[low, high], low <= high",
}


def _is_operand(value: Any, operand: str) -> bool:
    if operand == "range":
        pair = isinstance(value, list) and len(value) == 2 and all(_is_number(each) for each in value)
        return pair and value[0] <= value[1]
    if operand == "string":
        return _is_text(value)
    return isinstance(value, bool) if operand == "boolean" else _is_number(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond a double
        return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH


def _secret_faults(secret: str | None) -> Iterator[Fault]:
    """Standard Webhooks, "Signature scheme": whsec_ and the base64 of 24 to 64 random bytes."""
    if not secret:
        return
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or not 24 <= len(key) <= 64:
        allowed = "whsec_ and the base64 of 24 to 64 random bytes"
        yield Fault(
            "the signing secret is not one of the Standard Webhooks specification", "/signing_secret", allowed=allowed
        )
