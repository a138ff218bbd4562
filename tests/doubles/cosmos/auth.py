"""The master-key signature of a request, or the token of an identity.

Source: "Access control on Azure Cosmos DB resources", "Constructing the hashed token signature for a master token" and
"Microsoft Entra authorization header" (type=aad, ver=1.0).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from tests.doubles.cosmos.errors import CosmosError

MAX_SKEW = timedelta(minutes=15)


def resource_of(segments: list[str]) -> tuple[str, str]:
    """Resource type and link that a path stands for: an odd number of segments is a feed of its parent."""
    if not segments:
        return "", ""
    if len(segments) % 2:
        return segments[-1], "/".join(segments[:-1])
    return segments[-2], "/".join(segments)


TOKEN_PREFIX = "type=aad&ver=1.0&sig="


def token_in(authorization: str) -> str | None:
    """The identity's token; None for another kind of authorization."""
    plain = unquote(authorization)
    return plain.removeprefix(TOKEN_PREFIX) if plain.startswith(TOKEN_PREFIX) else None


def check_signature(key: str, verb: str, segments: list[str], authorization: str, date: str) -> None:
    """Raises CosmosError 401 for a missing or wrong signature, 403 for one that is too old."""
    resource_type, link = resource_of(segments)
    text = f"{verb.lower()}\n{resource_type.lower()}\n{link}\n{date.lower()}\n\n"
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    expected = f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}"
    if not hmac.compare_digest(unquote(authorization).encode(), expected.encode()):
        raise CosmosError(401, "The input authorization token can't serve the request.")
    if abs(datetime.now(UTC) - parsedate_to_datetime(date)) > MAX_SKEW:
        raise CosmosError(403, "The authorization token is not valid at the current time.")
