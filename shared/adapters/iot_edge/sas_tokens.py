"""Tokens by the key of a shared access policy of the hub (IoT Hub, "Control access with shared access signatures")."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote

from shared.errors import Invalid

LIFETIME_S = 3600
RENEW_S = 300  # before the end


class SasTokens:
    """HubTokens. The key is read when a token is made, so that one that was changed is taken without a restart."""

    def __init__(self, hub: str, policy: str, key: Callable[[], str], now_s: Callable[[], float] = time.time) -> None:
        self._host = hub.partition(":")[0]
        self._policy = policy
        self._key = key
        self._now_s = now_s
        self._token = ""
        self._ends_s = 0

    async def authorization(self) -> str:
        """See HubTokens."""
        if self._now_s() >= self._ends_s - RENEW_S:
            self._ends_s = int(self._now_s()) + LIFETIME_S
            self._token = signature(self._host, self._policy, self._key(), self._ends_s)
        return self._token

    def refused(self, authorization: str) -> None:
        """See HubTokens."""
        if authorization == self._token:
            self._ends_s = 0


def signature(host: str, policy: str, key: str, ends_s: int) -> str:
    """SharedAccessSignature for the host until `ends_s` (since 1970). Raises Invalid for a key that is no base64."""
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("the key of the hub's policy is no base64", remedy="see the compute's `sas_key_env`") from None
    resource = quote(host, safe="")
    digest = hmac.new(secret, f"{resource}\n{ends_s}".encode(), hashlib.sha256).digest()
    signed = quote(base64.b64encode(digest).decode(), safe="")
    return f"SharedAccessSignature sr={resource}&sig={signed}&se={ends_s}&skn={quote(policy, safe='')}"
