"""An endpoint's keys and tokens: made, made anew, and what of them whoever checks callers has to know."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from shared.ports import EndpointAccess
from shared.resources.endpoint_credentials import EndpointCredentials
from shared.resources.endpoint_status import OnlineEndpointStatus

TOKEN_S = 12 * 3600  # that a token is valid
REFRESH_S = 8 * 3600  # after which its holder asks for the next
AUDIENCE = "slipway:endpoint:{}"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, with Azure ML's names of its times; both are seconds of Unix time."""

    access_token: str
    expiry_time_utc: int
    refresh_after_time_utc: int


def current(kept: EndpointCredentials | None, made_for: datetime, status: OnlineEndpointStatus) -> EndpointCredentials:
    """The credentials that the endpoint asks for: what is kept, with new keys where it wants a newer generation.
    Those of a former endpoint of its name are no use."""
    wanted = {"primary": status.primary_key_generation, "secondary": status.secondary_key_generation}
    if kept is None or kept.made_for != made_for:
        generations = {f"{name}_generation": number for name, number in wanted.items()}
        keys = {"primary_key": _secret(), "secondary_key": _secret(), "token_secret": _secret()}
        return EndpointCredentials(made_for=made_for, **keys, **generations)
    changes: dict[str, str | int] = {}
    for name, number in wanted.items():
        if getattr(kept, f"{name}_generation") < number:
            changes |= {f"{name}_key": _secret(), f"{name}_generation": number}
    return kept.model_copy(update=changes)


def access_of(endpoint: str, auth_mode: str, kept: EndpointCredentials) -> EndpointAccess:
    """What the target has to know to check callers."""
    if auth_mode == "key":
        keys = (kept.primary_key, kept.secondary_key)
        return EndpointAccess(auth_mode, tuple(hashlib.sha256(key.encode()).hexdigest() for key in keys), keys)
    return EndpointAccess(auth_mode, token_secret=kept.token_secret, audience=AUDIENCE.format(endpoint))


def token_of(endpoint: str, kept: EndpointCredentials, now: datetime) -> Token:
    """A token for the endpoint: a JWT (RFC 7519) signed with HS256, as the scoring server takes them."""
    now_s = int(now.timestamp())
    claims = {"aud": AUDIENCE.format(endpoint), "iat": now_s, "exp": now_s + TOKEN_S}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = hmac.new(kept.token_secret.encode(), signed.encode(), hashlib.sha256).digest()
    return Token(f"{signed}.{_encoded(signature)}", now_s + TOKEN_S, now_s + REFRESH_S)


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _secret() -> str:
    return secrets.token_urlsafe(32)
