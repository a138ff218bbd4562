"""Whether a delivery was sent by somebody who knows a secret. Every comparison takes constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from shared.errors import Unauthorized

_SHA256 = re.compile(r"sha256=([0-9a-f]{64})\Z")
_STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def check_github(headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...]) -> None:
    """X-Hub-Signature-256: HMAC-SHA256 over the raw body in lower-case hex (GitHub, "Validating webhook deliveries").

    SHA-1 alone is not accepted. Raises Unauthorized."""
    match = _SHA256.match(_header(headers, "x-hub-signature-256"))
    if match is None:
        raise Unauthorized("X-Hub-Signature-256 is not `sha256=` and 64 lower-case hex digits")
    expected = (hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets)
    _require_any(match[1], expected, "X-Hub-Signature-256")


def check_gitlab(
    headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...], now: datetime, tolerance_s: float
) -> None:
    """A signing token (Standard Webhooks headers) where the delivery is signed, else X-Gitlab-Token.

    Raises Unauthorized."""
    if "webhook-signature" in headers:
        check_standard(headers, body, secrets, now, tolerance_s)
    else:
        _require_any(_header(headers, "x-gitlab-token"), secrets, "X-Gitlab-Token")


def check_basic(headers: Mapping[str, str], secrets: tuple[str, ...]) -> None:
    """The password of basic authentication is a secret; the user name is not looked at (RFC 7617).

    Raises Unauthorized."""
    scheme, _, encoded = _header(headers, "authorization").partition(" ")
    try:
        user_and_password = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Unauthorized("Authorization is not readable basic authentication") from error
    if scheme.lower() != "basic" or ":" not in user_and_password:
        raise Unauthorized("Authorization is not basic authentication")
    _require_any(user_and_password.partition(":")[2], secrets, "Authorization")


def check_standard(
    headers: Mapping[str, str], body: bytes, secrets: tuple[str, ...], now: datetime, tolerance_s: float
) -> None:
    """Standard Webhooks, "Signature scheme": `v1,` and base64 of HMAC-SHA256 over id.timestamp.body; one of several.

    Raises Unauthorized, also when the timestamp is further than `tolerance_s` from `now`."""
    message_id, timestamp, signatures = (_header(headers, name) for name in _STANDARD_HEADERS)
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Unauthorized("webhook-timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > tolerance_s:
        raise Unauthorized(f"webhook-timestamp is more than {tolerance_s:g} s from now", remedy="check the clocks")
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = [base64.b64encode(hmac.digest(_key(secret), signed, "sha256")).decode() for secret in secrets]
    given = [text[3:] for text in signatures.split(" ") if text.startswith("v1,")]
    if not any(_equal(one, other) for one in given for other in expected):
        raise Unauthorized("webhook-signature is not that of this delivery by a known secret")


def _key(secret: str) -> bytes:
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise Unauthorized("a configured secret starts with whsec_ but is not base64") from error


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise Unauthorized(f"the delivery has no header {name}", remedy="configure the webhook with its secret")
    return value


def _require_any(given: str, expected: Iterable[str], header: str) -> None:
    matches = [_equal(given, secret) for secret in expected if secret]
    if not any(matches):
        raise Unauthorized(f"{header} does not belong to this delivery and a known secret")


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
