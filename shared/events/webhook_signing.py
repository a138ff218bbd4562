"""Signatures of outgoing webhooks by the Standard Webhooks specification (symmetric, HMAC-SHA256, version v1).

The library `standardwebhooks` (extra `local`) is two small modules over the standard library: its import costs about
one millisecond and drags in nothing. Slipway on Azure doesn't have it, because Event Grid delivers there.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from shared.errors import NotSupported

_MESSAGE_NAMESPACE = uuid.UUID("0d0a3e0b-3a47-4b71-8a27-1a5d6f3b2c94")


def signature_headers(secret: str, event_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The headers webhook-id, webhook-timestamp (of this attempt, in seconds) and webhook-signature of a delivery.

    All attempts of one event have one webhook-id, the receiver's idempotency key: the event's id, or a UUID derived
    from it when it holds a full stop or anything else that could blur what was signed (specification, "Signature
    scheme"). `secret` is `whsec_...`, `sent_at` in UTC. Raises NotSupported when the library is not installed."""
    try:
        from standardwebhooks import Webhook
    except ImportError as error:
        remedy = "install slipway[local], or subscribe without a signing secret"
        raise NotSupported("webhooks cannot be signed: `standardwebhooks` is not installed", remedy=remedy) from error
    message_id = event_id if _is_plain(event_id) else str(uuid.uuid5(_MESSAGE_NAMESPACE, event_id))
    signature = Webhook(secret).sign(message_id, sent_at, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": signature,
    }


def _is_plain(event_id: str) -> bool:
    return 0 < len(event_id) <= 256 and event_id.isascii() and event_id.replace("-", "").replace("_", "").isalnum()
