"""Who may call: `Authorization: Bearer` with a key or a token, as Azure ML's endpoints take them. What it gets of keys
is their SHA-256 only: they are random and long, so that a fast hash tells nothing of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Access:
    """What is asked of callers. The modes are Azure ML's `auth_mode`."""

    mode: str  # key or aml_token; "" asks nothing of anybody
    key_digests: tuple[bytes, ...] = ()  # SHA-256 of each key that opens
    token_secret: bytes = b""  # signs the tokens that open
    audience: str = ""  # that a token has to name


OPEN = Access("")


def fault_of(access: Access, given: bytes, now_s: float) -> str | None:
    """Why a caller with this Authorization header may not call; None when it may, "" when it showed nothing."""
    if not access.mode:
        return None
    scheme, _, shown = given.partition(b" ")
    shown = shown.strip()
    if scheme.lower() != b"bearer" or not shown:  # RFC 9110, 11.1: schemes are matched without regard to case
        return ""
    if access.mode == "key":
        return None if _is_key(access, shown) else "the key is not this endpoint's"
    return _token_fault(access, shown, now_s)


def _is_key(access: Access, shown: bytes) -> bool:
    digest, known = hashlib.sha256(shown).digest(), False
    for one in access.key_digests:
        known |= hmac.compare_digest(one, digest)  # all of them: time tells nothing
    return known


def _token_fault(access: Access, token: bytes, now_s: float) -> str | None:
    """Why a token does not open: it has to be a JWT (RFC 7519) that the secret signed with HS256 (RFC 7515), for this
    endpoint, and not over."""
    signed, _, signature = token.rpartition(b".")
    expected = hmac.new(access.token_secret, signed, hashlib.sha256).digest()
    if not access.token_secret or not hmac.compare_digest(expected, _decoded(signature)):
        return "the token is not this endpoint's"
    head, _, claims_part = signed.partition(b".")
    claims = _document(claims_part)
    expires = claims.get("exp")
    if _document(head).get("alg") != "HS256" or claims.get("aud") != access.audience:
        return "the token is not this endpoint's"
    if not isinstance(expires, int | float) or now_s >= expires:
        return "the token has expired"
    return None


def _decoded(part: bytes) -> bytes:
    try:
        return base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return b""


def _document(part: bytes) -> dict[str, Any]:
    try:
        document = json.loads(_decoded(part))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def challenge(fault: str) -> bytes:
    """The header line of a 401 (RFC 6750, 3): without a reason when nothing was shown."""
    more = f', error="invalid_token", error_description="{fault}"' if fault else ""
    return f'WWW-Authenticate: Bearer realm="scoring"{more}\r\n'.encode()


def parse_access(said: Any, faults: list[str]) -> Access:
    """The file's `access`; none is open. Faults never hold what it says: that is secret."""
    if said is None:
        return OPEN
    keys = {"key": {"mode", "key_sha256"}, "aml_token": {"mode", "token_secret", "audience"}}
    wanted = keys.get(str(said.get("mode"))) if isinstance(said, dict) else None
    if wanted is None or set(said) != wanted:
        faults.append(
            "/access: allowed are mode `key` with `key_sha256`, and `aml_token` with `token_secret`, `audience`"
        )
        return Access("key")  # nobody's
    try:
        if said["mode"] == "key":
            digests = tuple(bytes.fromhex(one) for one in said["key_sha256"])
            if all(len(one) == hashlib.sha256().digest_size for one in digests):
                return Access("key", digests)
        elif len(said["token_secret"]) >= 32:  # RFC 7518, 3.2
            return Access("aml_token", (), said["token_secret"].encode(), str(said["audience"]))
    except (TypeError, ValueError, AttributeError):
        pass
    faults.append("/access: allowed are SHA-256 digests in hexadecimal digits, or a secret of 32 characters or more")
    return Access("key")
