"""Signed URLs of the local blob endpoint: what a shared access signature is on Azure, for one method and one path."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

from shared.errors import Invalid, Unauthorized
from shared.ports import Clock

EXPIRES = "expires"  # Unix time in whole seconds
SIGNATURE = "signature"  # HMAC-SHA256 in hexadecimal
MAX_LIFE_S = 7 * 24 * 3600  # as long as a user delegation SAS may live on Azure
_REMEDY = "ask for a new URL"


class UrlSigner:
    """Signs and checks with one secret key. The key is never part of a URL, an error or a representation."""

    def __init__(self, key: str, clock: Clock) -> None:
        if not key:
            raise ValueError("the key that signs URLs is empty")
        self._key = key.encode()
        self._clock = clock

    def expiry(self, expires_in_s: float) -> datetime:
        """The time expires_in_s from now, in whole seconds. Raises Invalid unless it is in the future."""
        if not 0 < expires_in_s <= MAX_LIFE_S:
            raise Invalid(f"a URL cannot expire in {expires_in_s} seconds (allowed: above 0, up to {MAX_LIFE_S})")
        return datetime.fromtimestamp(math.ceil(self._clock.now().timestamp() + expires_in_s), UTC)

    def sign(self, method: str, path: str, expires_at: datetime, extra: Mapping[str, str] | None = None) -> str:
        """The query (without '?') that opens `method path` until expires_at. `path` is decoded ("/blobs/uploads/a b");
        `extra` parameters go into the query and are signed too. ValueError for a reserved name in `extra`."""
        parameters = dict(extra or {})
        if {EXPIRES, SIGNATURE} & parameters.keys():
            raise ValueError(f"{EXPIRES} and {SIGNATURE} are reserved")
        parameters[EXPIRES] = str(int(expires_at.timestamp()))
        return urlencode({**parameters, SIGNATURE: self._signature(method, path, parameters)})

    def verify(
        self, method: str, path: str, query: list[tuple[str, str]], *, unsigned: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """The extra parameters of a query (decoded pairs). Parameters named in `unsigned` are left out of the
        signature, all others must be in it. Raises Unauthorized when it is forged, incomplete, of another method
        or path, or expired."""
        parameters = {name: value for name, value in query if name not in unsigned}
        if len(parameters) != sum(1 for name, _ in query if name not in unsigned):
            raise Unauthorized("the URL repeats a parameter", remedy=_REMEDY)
        signature = parameters.pop(SIGNATURE, "")
        expected = self._signature(method, path, parameters)
        if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            raise Unauthorized(f"the URL has no valid signature for this {method}", remedy=_REMEDY)
        if self._clock.now().timestamp() >= int(parameters.pop(EXPIRES)):  # signed, so it is a number
            raise Unauthorized("the URL has expired", remedy=_REMEDY)
        return parameters

    def _signature(self, method: str, path: str, parameters: Mapping[str, str]) -> str:
        text = json.dumps([method, path, sorted(parameters.items())])  # JSON, so that no two requests look the same
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
